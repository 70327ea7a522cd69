//! Where flows, connections and hosts stand in an order.

use crate::{
    Label, SortKey,
    connection::Pair,
    host::{HostState, RECEIVED, SENT},
    rate::Ticks,
    table::Table,
};
use std::net::IpAddr;

/// The place of something in an order: a number, and another one for equal numbers.
pub(crate) type Rank = (u128, u16);

pub(crate) fn flow_rank(sort: SortKey, ticks: Ticks, table: &Table, id: u32) -> Rank {
    let flow = table.get(id);
    match sort {
        SortKey::Bytes => rank(flow.count.bytes),
        SortKey::Packets => rank(flow.count.packets),
        SortKey::Rate => rank(flow.pulse.last(ticks, 0).bytes),
        SortKey::First => rank(flow.first_ns),
        SortKey::Last => rank(flow.last_ns),
        SortKey::Source => address_rank(*table.address(flow.source), flow.source_port),
        SortKey::Destination => {
            address_rank(*table.address(flow.destination), flow.destination_port)
        }
        SortKey::Protocol => {
            let link = table.link(id);
            let [high, low] = link.ethertype;
            rank(u32::from_be_bytes([0, high, low, link.protocol]))
        }
        SortKey::Label => label_rank(table.known().label(flow.rule)),
    }
}

pub(crate) fn pair_rank(sort: SortKey, ticks: Ticks, table: &Table, pair: Pair) -> Rank {
    let rank = |id| flow_rank(sort, ticks, table, id);
    let forward = rank(pair.forward);
    let Some(reverse) = pair.reverse.map(rank) else {
        return forward;
    };
    match sort {
        SortKey::Bytes | SortKey::Packets | SortKey::Rate => (forward.0 + reverse.0, 0),
        SortKey::First => forward.min(reverse),
        SortKey::Last => forward.max(reverse),
        SortKey::Source | SortKey::Destination | SortKey::Protocol | SortKey::Label => forward,
    }
}

pub(crate) fn host_rank(sort: SortKey, ticks: Ticks, host: &HostState) -> Rank {
    let both = |sent: u64, received: u64| (u128::from(sent) + u128::from(received), 0);
    match sort {
        SortKey::Bytes => both(host.sent.bytes, host.received.bytes),
        SortKey::Packets => both(host.sent.packets, host.received.packets),
        SortKey::Rate => both(
            host.pulse.last(ticks, SENT).bytes,
            host.pulse.last(ticks, RECEIVED).bytes,
        ),
        SortKey::First => rank(host.first_ns),
        SortKey::Last => rank(host.last_ns),
        SortKey::Source | SortKey::Destination => match host.address() {
            IpAddr::V4(address) => (address.to_ipv6_mapped().to_bits(), 0),
            IpAddr::V6(address) => (address.to_bits(), 0),
        },
        SortKey::Protocol | SortKey::Label => (0, 0),
    }
}

/// By the first letters of the name; those that have them in common by their numbers.
fn label_rank(label: Option<&Label>) -> Rank {
    label.map_or((0, 0), |label| {
        let mut letters = [0; 16];
        for (place, letter) in letters.iter_mut().zip(label.name.bytes()) {
            *place = letter;
        }
        (u128::from_be_bytes(letters), label.id)
    })
}

fn rank(number: impl Into<u128>) -> Rank {
    (number.into(), 0)
}

const fn address_rank(address: [u8; 16], port: [u8; 2]) -> Rank {
    (u128::from_be_bytes(address), u16::from_be_bytes(port))
}
