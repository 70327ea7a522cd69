//! A flow as JSON has it.

use super::{Decision, QuicSummary, Time, Traffic, name, time::seconds};
use netweir_flow::{Address, Endpoint, Icmp, Mac, Record};
use netweir_wire::packet::protocol;
use serde::Serialize;
use utoipa::ToSchema;

/// One direction of a 5-tuple on an interface.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Flow {
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
    /// Name of the IP protocol, or of the ethertype where the flow is not IP.
    #[schema(example = "TCP")]
    pub protocol: String,
    /// IP protocol behind the extension headers; null where the flow is not IP.
    pub protocol_number: Option<u8>,
    /// Ethertype behind the VLAN tags; 0 for IEEE 802.3 and where it is not known.
    pub ethertype: u16,
    /// IP address, or MAC where the flow is not IP.
    #[schema(example = "192.0.2.1")]
    pub source_address: String,
    /// Null for protocols without ports, and where no port could be read.
    pub source_port: Option<u16>,
    /// IP address, or MAC where the flow is not IP.
    #[schema(example = "198.51.100.7")]
    pub destination_address: String,
    /// Null for protocols without ports, and where no port could be read.
    pub destination_port: Option<u16>,
    /// VLAN identifiers, outer first; 0 for a tag without one.
    pub vlans: Vec<u16>,
    /// How much since the flow began, and how fast in the last tick.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Time of the first packet.
    pub first_seen: Time,
    /// Time of the last packet.
    pub last_seen: Time,
    /// Between the two.
    pub duration_seconds: f64,
    /// Source MAC of the first packet; null where the link has none.
    pub source_mac: Option<String>,
    /// Destination MAC of the first packet; null where the link has none.
    pub destination_mac: Option<String>,
    /// All TCP flags seen, by name; null where it is not TCP.
    #[schema(example = "SYN|ACK")]
    pub tcp_flags: Option<String>,
    /// All TCP flags seen, as bits; null where it is not TCP.
    pub tcp_flags_number: Option<u16>,
    /// Differentiated services code point of the last packet; null where it is not IP.
    pub dscp: Option<u8>,
    /// Whether a first fragment was among the packets.
    pub first_fragment: bool,
    /// Whether a later fragment was among the packets.
    pub later_fragment: bool,
    /// Type of the message, for ICMP and ICMPv6.
    pub icmp_type: Option<u8>,
    /// Code of the message, for ICMP and ICMPv6.
    pub icmp_code: Option<u8>,
    /// One frame in so many was counted, and counts and rates are multiplied by it; 1 where every
    /// frame was.
    pub sampling: u32,
    /// What a rule has decided about it: the last one, or in a record that under which it was counted.
    #[serde(flatten)]
    pub decision: Decision,
    /// What is known of the QUIC connection that it is a part of; absent where it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quic: Option<QuicSummary>,
    /// `idle`, `active`, `exit` or `relabelled`: why it was reported; absent where flows are live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<&'static str>,
}

impl From<&Record> for Flow {
    fn from(record: &Record) -> Self {
        let is_ip = matches!(record.source.address, Address::Ip(_));
        let is_tcp = is_ip && record.protocol == protocol::TCP;
        let (source_address, source_port) = end(record.source);
        let (destination_address, destination_port) = end(record.destination);
        let (icmp_type, icmp_code) = icmp(record.icmp);
        Self {
            interface: record.interface.to_string(),
            ifindex: record.ifindex,
            netns: record.netns,
            direction: name::direction(record.direction),
            protocol: record.protocol_name().to_string(),
            protocol_number: is_ip.then_some(record.protocol),
            ethertype: record.ethertype,
            source_address,
            source_port,
            destination_address,
            destination_port,
            vlans: vlans(record.vlans),
            traffic: Traffic::new(record.count, record.rate),
            first_seen: Time {
                unix_ns: record.first_unix_ns,
            },
            last_seen: Time {
                unix_ns: record.last_unix_ns,
            },
            duration_seconds: seconds(record.duration_ns()),
            source_mac: mac(record.source_mac),
            destination_mac: mac(record.destination_mac),
            tcp_flags: is_tcp.then(|| name::tcp_flags(record.tcp_flags)),
            tcp_flags_number: is_tcp.then_some(record.tcp_flags),
            dscp: is_ip.then(|| record.dscp()),
            first_fragment: record.first_fragment,
            later_fragment: record.later_fragment,
            icmp_type,
            icmp_code,
            sampling: record.sampling,
            decision: record.decision.as_ref().into(),
            quic: record.quic.as_deref().map(Into::into),
            end_reason: record.reason.map(netweir_flow::EndReason::name),
        }
    }
}

/// Address and port of one end.
pub(super) fn end(endpoint: Endpoint) -> (String, Option<u16>) {
    (endpoint.address.to_string(), endpoint.port)
}

/// Type and code.
pub(super) fn icmp(icmp: Option<Icmp>) -> (Option<u8>, Option<u8>) {
    (icmp.map(|icmp| icmp.kind), icmp.map(|icmp| icmp.code))
}

/// The tags that are there. An outer tag may have no identifier while the inner one has.
pub(super) fn vlans(vlans: [u16; 2]) -> Vec<u16> {
    let count = vlans.iter().rposition(|&vlan| vlan != 0);
    vlans[..count.map_or(0, |last| last + 1)].to_vec()
}

fn mac(mac: Mac) -> Option<String> {
    (mac != Mac::default()).then(|| mac.to_string())
}
