//! A connection as JSON has it.

use super::{
    Decision, QuicSummary, Time, Traffic,
    flow::{end, icmp, vlans},
    time::seconds,
};
use netweir_flow::{Address, ConnectionState};
use serde::Serialize;
use utoipa::ToSchema;

/// Both directions of a conversation on an interface.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Connection {
    /// Name of the interface.
    #[schema(example = "eth0")]
    pub interface: String,
    /// Index of the interface within its network namespace.
    pub ifindex: u32,
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// Name of the IP protocol, or of the ethertype where it is not IP.
    #[schema(example = "TCP")]
    pub protocol: String,
    /// IP protocol behind the extension headers; null where it is not IP.
    pub protocol_number: Option<u8>,
    /// Ethertype behind the VLAN tags; 0 for IEEE 802.3 and where it is not known.
    pub ethertype: u16,
    /// Who began it: IP address, or MAC where it is not IP.
    pub initiator_address: String,
    /// Null for protocols without ports, and where no port could be read.
    pub initiator_port: Option<u16>,
    /// Who answers: IP address, or MAC where it is not IP.
    pub responder_address: String,
    /// Null for protocols without ports, and where no port could be read.
    pub responder_port: Option<u16>,
    /// VLAN identifiers, outer first; 0 for a tag without one.
    pub vlans: Vec<u16>,
    /// From the initiator to the responder.
    pub forward: Traffic,
    /// From the responder to the initiator.
    pub reverse: Traffic,
    /// Time of the first packet.
    pub first_seen: Time,
    /// Time of the last packet.
    pub last_seen: Time,
    /// Between the two.
    pub duration_seconds: f64,
    /// Type of what the initiator sent, for ICMP and ICMPv6.
    pub icmp_type: Option<u8>,
    /// Code of what the initiator sent, for ICMP and ICMPv6.
    pub icmp_code: Option<u8>,
    /// `open`, `closed` or `reset`, for TCP.
    pub state: Option<&'static str>,
    /// One frame in so many was counted, and counts and rates are multiplied by it; 1 where every
    /// frame was.
    pub sampling: u32,
    /// What a rule has decided about what the initiator sent; if none has, about what was answered.
    #[serde(flatten)]
    pub decision: Decision,
    /// What is known of the QUIC connection that it is; absent where it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quic: Option<QuicSummary>,
}

impl From<&netweir_flow::Connection> for Connection {
    fn from(connection: &netweir_flow::Connection) -> Self {
        let is_ip = matches!(connection.initiator.address, Address::Ip(_));
        let (initiator_address, initiator_port) = end(connection.initiator);
        let (responder_address, responder_port) = end(connection.responder);
        let (icmp_type, icmp_code) = icmp(connection.icmp);
        Self {
            interface: connection.interface.to_string(),
            ifindex: connection.ifindex,
            netns: connection.netns,
            protocol: connection.protocol_name.to_string(),
            protocol_number: is_ip.then_some(connection.protocol),
            ethertype: connection.ethertype,
            initiator_address,
            initiator_port,
            responder_address,
            responder_port,
            vlans: vlans(connection.vlans),
            forward: Traffic::new(connection.forward, connection.forward_rate),
            reverse: Traffic::new(connection.reverse, connection.reverse_rate),
            first_seen: Time {
                unix_ns: connection.first_unix_ns,
            },
            last_seen: Time {
                unix_ns: connection.last_unix_ns,
            },
            duration_seconds: seconds(connection.duration_ns()),
            icmp_type,
            icmp_code,
            state: connection.state.map(ConnectionState::name),
            sampling: connection.sampling,
            decision: connection.decision.as_ref().into(),
            quic: connection.quic.as_deref().map(Into::into),
        }
    }
}
