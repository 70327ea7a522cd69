//! How long the handshake took, seen from here.

use crate::quic::Sender;

/// The first packets of a handshake, nanoseconds of the events' clock.
///
/// Whoever stands between two peers sees two round trips: one to each of them. Both contain the time
/// that the peer itself took, and the first one that of a lost Initial which the client had to send
/// again: [`Self::client_datagrams`] says how many went before the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// The client's first Initial or 0-RTT packet.
    pub client_ns: Option<u64>,
    /// The server's first answer to it: an Initial, a Retry, a version negotiation.
    pub server_ns: Option<u64>,
    /// The client's next packet after that.
    pub client_next_ns: Option<u64>,
    /// Long headers of the client before the answer.
    pub client_datagrams: u32,
}

impl Timing {
    /// The round trip from here to the server: from the client's first packet to the answer.
    pub fn to_server_ns(&self) -> Option<u64> {
        Some(self.server_ns?.saturating_sub(self.client_ns?))
    }

    /// The round trip from here to the client: from the answer to the client's next packet.
    pub fn to_client_ns(&self) -> Option<u64> {
        Some(self.client_next_ns?.saturating_sub(self.server_ns?))
    }

    /// Both together: the round trip between the peers, while they shook hands.
    pub fn round_trip_ns(&self) -> Option<u64> {
        Some(self.to_server_ns()?.saturating_add(self.to_client_ns()?))
    }

    /// Takes note of a packet. Connections whose first packet was not seen have no times.
    pub(super) fn observe(&mut self, sender: Sender, time_ns: u64, is_first_flight: bool) {
        match (sender, self.client_ns, self.server_ns) {
            (Sender::Client, None, None) if is_first_flight => {
                self.client_ns = Some(time_ns);
                self.client_datagrams = 1;
            }
            (Sender::Client, Some(_), None) => {
                self.client_datagrams = self.client_datagrams.saturating_add(1);
            }
            (Sender::Server, Some(_), None) => self.server_ns = Some(time_ns),
            (Sender::Client, Some(_), Some(_)) => {
                self.client_next_ns.get_or_insert(time_ns);
            }
            _ => {}
        }
    }
}
