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

use netweir_wire::{
    map::{Direction, FlowKey},
    packet::{ethertype, protocol},
};

/// The flow that answers `key`, if it is among those that `is_live` knows. If it is, then the
/// answer to it is `key`.
pub(crate) fn partner(key: &FlowKey, is_live: impl Fn(&FlowKey) -> bool) -> Option<FlowKey> {
    let opposite = opposite(key)?;
    if is_live(&opposite) {
        return Some(opposite);
    }
    let same = FlowKey {
        direction: key.direction,
        ..opposite
    };
    let taken = FlowKey {
        direction: opposite.direction,
        ..*key
    };
    (same != *key && is_live(&same) && !is_live(&taken)).then_some(same)
}

/// The answer in the opposite direction; none for what is not answered.
fn opposite(key: &FlowKey) -> Option<FlowKey> {
    let (source_port, destination_port) = if is_icmp(key) {
        (key.source_port, reply(key)?)
    } else {
        (key.destination_port, key.source_port)
    };
    Some(FlowKey {
        source: key.destination,
        destination: key.source,
        source_port,
        destination_port,
        direction: match Direction::try_from(key.direction).ok()? {
            Direction::Ingress => Direction::Egress as u8,
            Direction::Egress => Direction::Ingress as u8,
        },
        ..*key
    })
}

/// Whether the place of the destination port has a type and a code.
pub(crate) fn is_icmp(key: &FlowKey) -> bool {
    matches!(
        (u16::from_be_bytes(key.ethertype), key.protocol),
        (ethertype::IPV4, protocol::ICMP) | (ethertype::IPV6, protocol::ICMPV6)
    )
}

/// Requests and their replies: echo and timestamp (RFC 792).
const ICMP_REPLIES: [(u8, u8); 2] = [(8, 0), (13, 14)];
/// Requests and their replies: echo (RFC 4443), router and neighbour discovery (RFC 4861).
const ICMPV6_REPLIES: [(u8, u8); 3] = [(128, 129), (133, 134), (135, 136)];

const fn replies(key: &FlowKey) -> &'static [(u8, u8)] {
    match key.protocol {
        protocol::ICMP => &ICMP_REPLIES,
        _ => &ICMPV6_REPLIES,
    }
}

/// Type and code of what answers an ICMP message, or of what it answers.
fn reply(key: &FlowKey) -> Option<[u8; 2]> {
    let [kind, code] = key.destination_port;
    replies(key)
        .iter()
        .find_map(|&(request, reply)| match kind {
            _ if kind == request => Some([reply, code]),
            _ if kind == reply => Some([request, code]),
            _ => None,
        })
}

/// Whether this is an ICMP message that answers another.
pub(crate) fn is_reply(key: &FlowKey) -> bool {
    let [kind, _] = key.destination_port;
    is_icmp(key) && replies(key).iter().any(|&(_, reply)| kind == reply)
}
