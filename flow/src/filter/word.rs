//! Single words of an expression: what they mean, if anything.

use super::term::Term;
use crate::Protocol;
use ipnet::IpNet;
use netweir_wire::map::RULE_NUMBERS;
use std::{net::IpAddr, ops::RangeInclusive};

/// The protocol or the ethertype of that name.
pub(super) fn named(word: &str) -> Option<Term> {
    Some(match Protocol::from_name(word)? {
        Protocol::Ip(number) => Term::Protocol(number),
        Protocol::Ethertype(number) => Term::Ethertype(number),
    })
}

/// An IP protocol by number, or what [`named`] finds.
pub(super) fn protocol(word: &str) -> Option<Term> {
    let number = word.parse().ok().map(Term::Protocol);
    number.or_else(|| named(word))
}

/// An ethertype by number or name.
pub(super) fn ethertype(word: &str) -> Option<Term> {
    let number = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    };
    let name = || Protocol::ethertype_from_name(word);
    number.or_else(name).map(Term::Ethertype)
}

/// A VLAN identifier; 0 for none.
pub(super) fn vlan(word: &str) -> Option<Term> {
    vlan_number(word).map(Term::Vlan)
}

/// The same as a number.
pub(crate) fn vlan_number(word: &str) -> Option<u16> {
    word.parse().ok().filter(|&vlan| vlan <= 0x0fff)
}

/// The number of a rule; 0 for none.
pub(super) fn rule(word: &str) -> Option<Term> {
    let number = word.parse().ok();
    number
        .filter(|&number| number < RULE_NUMBERS)
        .map(Term::Rule)
}

/// One port, or the first and the last of several.
pub(crate) fn ports(word: &str) -> Option<RangeInclusive<u16>> {
    let (low, high) = word.split_once('-').unwrap_or((word, word));
    let (low, high) = (low.parse().ok()?, high.parse().ok()?);
    (low <= high).then_some(low..=high)
}

/// An address, or a network of which only the prefix counts.
pub(crate) fn net(word: &str) -> Option<IpNet> {
    let host = word.parse::<IpAddr>().ok().map(IpNet::from);
    host.or_else(|| word.parse::<IpNet>().ok().map(|net| net.trunc()))
}
