//! Rules written out as rows: everything that a row asks has to hold.

use super::super::{Numbered, Rule};
use crate::filter::{mapped, mask};
use ipnet::IpNet;
use netweir_wire::map::{RuleFlow, RuleMark, RuleRow};
use std::ops::RangeInclusive;

/// The names of interfaces that rules ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InterfaceNames(Vec<String>);

impl InterfaceNames {
    pub(super) fn of(rules: &[Numbered]) -> Self {
        let names = rules
            .iter()
            .filter_map(|known| known.rule.interface.clone());
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    /// From 1 up; 0 for a name that no rule asks for.
    pub(super) fn number(&self, name: &str) -> u32 {
        let place = self.0.binary_search_by(|known| known.as_str().cmp(name));
        place.map_or(0, |place| place as u32 + 1)
    }
}

/// The rows of all rules, in their order.
pub(super) fn rows(rules: &[Numbered], interfaces: &InterfaceNames) -> Vec<RuleRow> {
    let mut rows = Vec::new();
    for Numbered { number, rule } in rules {
        let mark = RuleMark::new(*number, rule.action.kind());
        let interface = rule
            .interface
            .as_deref()
            .map(|name| interfaces.number(name));
        add(&mut rows, rule, interface, mark);
        if rule.both_ways {
            add(&mut rows, &rule.reversed(), interface, mark);
        }
    }
    rows
}

/// Adds the rows of a rule in one direction. The same row twice says nothing new.
fn add(rows: &mut Vec<RuleRow>, rule: &Rule, interface: Option<u32>, mark: RuleMark) {
    let vlans: &[[Option<u16>; 2]] = match rule.vlan {
        None => &[[None, None]],
        Some(0) => &[[Some(0), Some(0)]],
        Some(vlan) => &[[Some(vlan), None], [None, Some(vlan)]],
    };
    for vlans in vlans {
        let Some(row) = row(rule, *vlans, interface, mark) else {
            continue;
        };
        if rows.last() != Some(&row) {
            rows.push(row);
        }
    }
}

/// `None` where nothing can match: with addresses of two families.
fn row(
    rule: &Rule,
    vlans: [Option<u16>; 2],
    interface: Option<u32>,
    mark: RuleMark,
) -> Option<RuleRow> {
    let (source, source_mask) = prefix(rule.source.as_ref());
    let (destination, destination_mask) = prefix(rule.destination.as_ref());
    let family = match (&rule.source, &rule.destination) {
        (Some(IpNet::V4(_)), Some(IpNet::V6(_))) | (Some(IpNet::V6(_)), Some(IpNet::V4(_))) => {
            return None;
        }
        (Some(net), _) | (None, Some(net)) => Some(matches!(net, IpNet::V6(_))),
        (None, None) => None,
    };
    let has_ports = rule.source_ports.is_some() || rule.destination_ports.is_some();
    let is_ip = family.is_some() || rule.protocol.is_some();
    let value = RuleFlow {
        is_ip,
        is_ipv6: family.unwrap_or(false),
        has_ports,
        protocol: rule.protocol.unwrap_or(0),
        direction: rule.direction.map_or(0, |direction| direction as u8),
        vlans: vlans.map(|vlan| vlan.unwrap_or(0)),
        interface: interface.unwrap_or(0),
        backend: rule.backend.map_or(0, |backend| backend.saturating_add(1)),
    };
    let asked = RuleFlow {
        is_ip,
        is_ipv6: family.is_some(),
        has_ports,
        protocol: all_if(rule.protocol.is_some()),
        direction: all_if(rule.direction.is_some()),
        vlans: vlans.map(|vlan| if vlan.is_some() { u16::MAX } else { 0 }),
        interface: if interface.is_some() { u32::MAX } else { 0 },
        backend: if rule.backend.is_some() { u32::MAX } else { 0 },
    };
    let (value, asked) = (value.words(), asked.words());
    let (source_low, source_high) = range(rule.source_ports.as_ref());
    let (destination_low, destination_high) = range(rule.destination_ports.as_ref());
    Some(RuleRow {
        value: [
            source[0],
            source[1],
            destination[0],
            destination[1],
            value[0],
            value[1],
        ],
        mask: [
            source_mask[0],
            source_mask[1],
            destination_mask[0],
            destination_mask[1],
            asked[0],
            asked[1],
        ],
        low: [source_low, destination_low],
        high: [source_high, destination_high],
        mark: mark.0,
        reserved: [0; 3],
    })
}

const fn all_if(is_asked: bool) -> u8 {
    if is_asked { u8::MAX } else { 0 }
}

fn range(ports: Option<&RangeInclusive<u16>>) -> (u16, u16) {
    ports.map_or((0, u16::MAX), |ports| (*ports.start(), *ports.end()))
}

/// An address and its mask, in host order.
fn prefix(net: Option<&IpNet>) -> ([u64; 2], [u64; 2]) {
    let Some(net) = net else {
        return ([0; 2], [0; 2]);
    };
    let halves = |bytes: [u8; 16]| {
        let number = u128::from_be_bytes(bytes);
        [(number >> 64) as u64, number as u64]
    };
    let mask = halves(mask(net));
    let [upper, lower] = halves(mapped(net.network()));
    ([upper & mask[0], lower & mask[1]], mask)
}
