//! Heads of packets as JSON has them.

use super::{
    Decision, Time,
    flow::{end, vlans},
    name,
};
use netweir_flow::{Address, Protocol};
use netweir_wire::map::HeadLoss;
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write};
use utoipa::ToSchema;

/// The head of a packet that a rule sampled or tapped.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Head {
    /// Its number: they are numbered as they come, so that the next question can begin behind it.
    pub number: u64,
    /// When it came.
    pub time: Time,
    /// Name of the interface.
    #[schema(example = "eth0")]
    pub interface: String,
    /// Index of the interface within its network namespace.
    pub ifindex: u32,
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// `ingress` or `egress`, seen from the host.
    #[schema(example = "ingress")]
    pub direction: &'static str,
    /// Name of the IP protocol, or of the ethertype where it is not IP.
    #[schema(example = "TCP")]
    pub protocol: String,
    /// IP address, or MAC where it is not IP.
    #[schema(example = "192.0.2.1")]
    pub source_address: String,
    /// Null for protocols without ports, and where no port could be read.
    pub source_port: Option<u16>,
    /// IP address, or MAC where it is not IP.
    #[schema(example = "198.51.100.7")]
    pub destination_address: String,
    /// Null for protocols without ports, and where no port could be read.
    pub destination_port: Option<u16>,
    /// VLAN identifiers, outer first; 0 for a tag without one.
    pub vlans: Vec<u16>,
    /// The rule that sampled or tapped it.
    #[serde(flatten)]
    pub decision: Decision,
    /// The queue of the interface that it came by, where it was tapped.
    pub queue: Option<u16>,
    /// Bytes of the frame.
    pub frame_bytes: u32,
    /// The first of them, from the link-layer header on, as hexadecimal digits.
    #[schema(example = "0200000000010200000000020800")]
    pub bytes_hex: String,
}

/// What became of the frames that rules sample: `drawn = told + lost`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeadAccounting {
    /// Frames that rules have drawn.
    pub drawn: u64,
    /// As many of them as have their head told.
    pub told: u64,
    /// As many of them as have not.
    pub lost: u64,
    /// The same by reason.
    pub lost_by_reason: BTreeMap<&'static str, u64>,
    /// Frames that rules sample, and that were not drawn.
    pub passed_over: u64,
    /// Heads that came here: `told`, but for those that wait in the kernel and for `malformed`; and `tapped`.
    pub received: u64,
    /// As many of those as were tapped, which the kernel did not tell of.
    pub tapped: u64,
    /// What came in the place of a head, and is none.
    pub malformed: u64,
    /// The latest heads, which are kept.
    pub kept: usize,
}

impl From<&netweir_flow::Head> for Head {
    fn from(head: &netweir_flow::Head) -> Self {
        let (source_address, source_port) = end(head.source);
        let (destination_address, destination_port) = end(head.destination);
        let protocol = match head.source.address {
            Address::Ip(_) => Protocol::Ip(head.protocol),
            Address::Mac(_) => Protocol::Ethertype(head.ethertype),
        };
        let mut bytes_hex = String::with_capacity(head.bytes.len() * 2);
        for byte in &*head.bytes {
            let _written = write!(bytes_hex, "{byte:02x}");
        }
        Self {
            number: head.number,
            time: Time {
                unix_ns: head.unix_ns,
            },
            interface: head.interface.to_string(),
            ifindex: head.ifindex,
            netns: head.netns,
            direction: name::direction(head.direction),
            protocol: protocol.to_string(),
            source_address,
            source_port,
            destination_address,
            destination_port,
            vlans: vlans(head.vlans),
            decision: head.decision.as_ref().into(),
            queue: head.queue,
            frame_bytes: head.frame_bytes,
            bytes_hex,
        }
    }
}

impl From<&netweir_flow::HeadAccounting> for HeadAccounting {
    fn from(heads: &netweir_flow::HeadAccounting) -> Self {
        let names = HeadLoss::ALL.map(HeadLoss::name).into_iter();
        Self {
            drawn: heads.drawn,
            told: heads.told,
            lost: heads.drawn.wrapping_sub(heads.told),
            lost_by_reason: names.zip(heads.lost).collect(),
            passed_over: heads.passed_over,
            received: heads.received,
            tapped: heads.tapped,
            malformed: heads.malformed,
            kept: heads.kept,
        }
    }
}
