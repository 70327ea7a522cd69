//! A host as JSON has it.

use super::{Time, Traffic};
use serde::Serialize;
use utoipa::ToSchema;

/// An address with what it sent and received, on all interfaces together.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Host {
    /// The IP address.
    #[schema(example = "192.0.2.1")]
    pub address: String,
    /// What came from it.
    pub sent: Traffic,
    /// What went to it.
    pub received: Traffic,
    /// Time of the first packet.
    pub first_seen: Time,
    /// Time of the last packet.
    pub last_seen: Time,
    /// One frame in so many was counted, and counts and rates are multiplied by it; 1 where every
    /// frame was.
    pub sampling: u32,
}

impl From<&netweir_flow::Host> for Host {
    fn from(host: &netweir_flow::Host) -> Self {
        Self {
            address: host.address.to_string(),
            sent: Traffic::new(host.sent, host.sent_rate),
            received: Traffic::new(host.received, host.received_rate),
            first_seen: Time {
                unix_ns: host.first_unix_ns,
            },
            last_seen: Time {
                unix_ns: host.last_unix_ns,
            },
            sampling: host.sampling,
        }
    }
}
