//! The other direction of a flow.
//!
//! What answers `a:1 → b:2` is `b:2 → a:1` on the same interface, with the same VLANs, seen
//! in the opposite direction. Messages of ICMP have a type instead of ports, so a request is
//! answered by the type of its reply; errors are answered by nothing.
//!
//! A capture file, or a mirror port, shows both directions as ingress. So where the opposite
//! direction has no answer, the same one is asked too. On a loopback device each packet is seen
//! at egress and then at ingress, which makes four flows of a conversation: what one end sends
//! at ingress is tied to what the other sends at egress, and the remaining two to each other. That
//! makes two connections, in each of which every packet counts once.
//!
//! All of these flows have the same hash, and differ in two bits beside it: which of the two ends
//! is the source, and the direction. So they are found without their keys being hashed again.

use crate::{
    flow::Flow,
    index::{Hash, Key},
    link::Link,
};
use netweir_wire::{
    map::{Direction, FlowCounters, FlowKey},
    packet::{ethertype, protocol},
};

/// The bit of a hash's side that is set for egress; it is the number of that direction.
pub(crate) const EGRESS: u8 = Direction::Egress as u8;
/// The bit of a hash's side that is set when the source is the greater end.
const SWAPPED: u8 = 2;

/// The hash of a key, which it shares with all that may answer it.
pub(crate) fn hash(key: &FlowKey, with: &Key) -> Hash {
    let (source_port, destination_port) = if is_icmp(key.ethertype, key.protocol) {
        ([0; 2], [0; 2])
    } else {
        (key.source_port, key.destination_port)
    };
    let source = (&key.source, source_port);
    let destination = (&key.destination, destination_port);
    let is_swapped = source > destination;
    let (low, high) = if is_swapped {
        (destination, source)
    } else {
        (source, destination)
    };
    let mut bytes = [0; 56];
    bytes[..16].copy_from_slice(low.0);
    bytes[16..32].copy_from_slice(high.0);
    bytes[32..34].copy_from_slice(&low.1);
    bytes[34..36].copy_from_slice(&high.1);
    if is_icmp(key.ethertype, key.protocol) {
        bytes[36..38].copy_from_slice(&key.source_port);
        bytes[38..40].copy_from_slice(&request(key.protocol, key.destination_port));
    }
    bytes[40..55].copy_from_slice(&Link::new(key, &FlowCounters::ZERO).bytes());
    Hash {
        bits: with.hash(&bytes),
        side: key.direction & EGRESS | if is_swapped { SWAPPED } else { 0 },
    }
}

/// Ends, ports and direction of a flow that may be tied to another one.
#[derive(Clone, Copy)]
pub(crate) struct Kin {
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) source_port: [u8; 2],
    pub(crate) destination_port: [u8; 2],
    pub(crate) hash: Hash,
}

impl Kin {
    /// The answer to a flow, in the opposite direction; none for what is not answered.
    fn opposite(flow: &Flow, link: &Link) -> Option<Self> {
        let is_icmp = is_icmp(link.ethertype, link.protocol);
        let (source_port, destination_port) = if is_icmp {
            let reply = reply(link.protocol, flow.destination_port)?;
            (flow.source_port, reply)
        } else {
            (flow.destination_port, flow.source_port)
        };
        // Where both ends are the same, neither is the greater one.
        let is_one = flow.source == flow.destination
            && (is_icmp || flow.source_port == flow.destination_port);
        let swap = if is_one { 0 } else { SWAPPED };
        Some(Self {
            source: flow.destination,
            destination: flow.source,
            source_port,
            destination_port,
            hash: Hash {
                bits: flow.hash,
                side: flow.side ^ EGRESS ^ swap,
            },
        })
    }

    const fn in_other_direction(mut self) -> Self {
        self.hash.side ^= EGRESS;
        self
    }

    const fn of(flow: &Flow) -> Self {
        Self {
            source: flow.source,
            destination: flow.destination,
            source_port: flow.source_port,
            destination_port: flow.destination_port,
            hash: flow.hash(),
        }
    }

    /// Whether this is a flow; its link is left to whoever asks.
    pub(crate) fn is(&self, flow: &Flow) -> bool {
        self.hash == flow.hash()
            && self.source == flow.source
            && self.destination == flow.destination
            && self.source_port == flow.source_port
            && self.destination_port == flow.destination_port
    }
}

/// The number of the flow that answers another one, if `find` finds it. If it does, then the answer
/// to it is that other one.
pub(crate) fn partner(flow: &Flow, link: &Link, find: impl Fn(&Kin) -> Option<u32>) -> Option<u32> {
    let opposite = Kin::opposite(flow, link)?;
    if let Some(answer) = find(&opposite) {
        return Some(answer);
    }
    let same = opposite.in_other_direction();
    if same.is(flow) {
        return None;
    }
    let answer = find(&same)?;
    let is_taken = find(&Kin::of(flow).in_other_direction()).is_some();
    (!is_taken).then_some(answer)
}

/// Whether the place of the destination port has a type and a code.
pub(crate) fn is_icmp(ethertype: [u8; 2], protocol: u8) -> bool {
    matches!(
        (u16::from_be_bytes(ethertype), protocol),
        (ethertype::IPV4, protocol::ICMP) | (ethertype::IPV6, protocol::ICMPV6)
    )
}

/// Requests and their replies: echo and timestamp (RFC 792).
const ICMP_REPLIES: [(u8, u8); 2] = [(8, 0), (13, 14)];
/// Requests and their replies: echo (RFC 4443), router and neighbour discovery (RFC 4861).
const ICMPV6_REPLIES: [(u8, u8); 3] = [(128, 129), (133, 134), (135, 136)];

const fn replies(protocol: u8) -> &'static [(u8, u8)] {
    match protocol {
        protocol::ICMP => &ICMP_REPLIES,
        _ => &ICMPV6_REPLIES,
    }
}

/// Type and code of what answers an ICMP message, or of what it answers.
fn reply(protocol: u8, [kind, code]: [u8; 2]) -> Option<[u8; 2]> {
    replies(protocol)
        .iter()
        .find_map(|&(request, reply)| match kind {
            _ if kind == request => Some([reply, code]),
            _ if kind == reply => Some([request, code]),
            _ => None,
        })
}

/// The same for an ICMP message and for its answer.
fn request(protocol: u8, [kind, code]: [u8; 2]) -> [u8; 2] {
    let pair = replies(protocol).iter().find(|&&(_, reply)| kind == reply);
    [pair.map_or(kind, |&(request, _)| request), code]
}

/// Whether these are ICMP messages that answer others.
pub(crate) fn is_reply(flow: &Flow, link: &Link) -> bool {
    let [kind, _] = flow.destination_port;
    is_icmp(link.ethertype, link.protocol)
        && replies(link.protocol)
            .iter()
            .any(|&(_, reply)| kind == reply)
}
