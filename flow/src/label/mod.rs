//! Labels: names for parts of the traffic, and what was counted under each.
//!
//! A rule gives a label. The kernel programs decide once for a flow, and every sample says by the
//! number of its rule which one had decided; what the numbers stand for the meter is told
//! ([`crate::Meter::set_rules`]), and keeps when the rule is gone. So what was counted under a label
//! stays with it, whatever becomes of its rules.

mod known;

pub(crate) use known::Known;

use crate::{Rate, SortKey};
use netweir_wire::map::{Count, RuleAction, Volume};
use std::{cmp::Ordering, sync::Arc};

/// A label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// Its number, which lasts.
    pub id: u16,
    /// Its name: letters, digits and `. _ : / -`.
    pub name: Arc<str>,
}

/// A rule as the meter is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Labelled {
    /// The rule's number: from 1 up to below [`netweir_wire::map::RULE_NUMBERS`].
    pub number: u16,
    /// What it does with packets.
    pub action: RuleAction,
    /// The label that it gives.
    pub label: Label,
}

/// What a rule has decided about a flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// The rule's number.
    pub rule: u16,
    /// What is done with the flow's packets.
    pub action: RuleAction,
    /// The label that the rule gives; none if nobody has told the meter of that rule.
    pub label: Option<Label>,
}

/// What was counted under a rule or under a label.
///
/// Counts and rates are multiplied where frames are sampled, as those of flows are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hits {
    /// What was counted, dropped and spared packets included.
    pub count: Count,
    /// As much of it as a rule had dropped.
    pub dropped: Volume,
    /// As much of it as a rule would have dropped, at hooks that cannot, and in replays.
    pub spared: Volume,
    /// How fast it went in the last whole tick.
    pub rate: Rate,
    /// Live flows about which it has decided last.
    pub flows: usize,
    /// Time of the last packet, nanoseconds since 1970; none while there was no packet.
    pub last_unix_ns: Option<u64>,
}

impl Hits {
    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.dropped += other.dropped;
        self.spared += other.spared;
        self.rate += other.rate;
        self.flows += other.flows;
        self.last_unix_ns = self.last_unix_ns.max(other.last_unix_ns);
    }
}

/// What was counted under one rule, since the meter was told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleTotals {
    /// The rule's number.
    pub number: u16,
    /// What it does, or did, with packets.
    pub action: RuleAction,
    /// The label that it gives, or gave; none if nobody has told the meter of that rule.
    pub label: Option<Label>,
    /// Whether it is one of those that the meter was told of last.
    pub in_force: bool,
    /// Since when its packets are counted, nanoseconds since 1970.
    pub since_unix_ns: u64,
    /// What was counted.
    pub hits: Hits,
}

/// What was counted under one label since the start, by all rules that give it or gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelTotals {
    /// The label; none for what no rule has decided about.
    pub label: Option<Label>,
    /// Numbers of the rules in force that give it.
    pub rules: Vec<u16>,
    /// What was counted.
    pub hits: Hits,
}

impl LabelTotals {
    /// Which one comes first; equal ones are left as they are.
    pub(crate) fn compare(&self, other: &Self, sort: SortKey) -> Ordering {
        let (hits, others) = (&self.hits, &other.hits);
        let name = |it: &Self| it.label.as_ref().map(|label| Arc::clone(&label.name));
        match sort {
            SortKey::Bytes => hits.count.bytes.cmp(&others.count.bytes),
            SortKey::Packets => hits.count.packets.cmp(&others.count.packets),
            SortKey::Rate => {
                let [rate, than] = [hits, others].map(|it| it.rate.bytes_per_second);
                rate.total_cmp(&than)
            }
            SortKey::Last => hits.last_unix_ns.cmp(&others.last_unix_ns),
            SortKey::First
            | SortKey::Source
            | SortKey::Destination
            | SortKey::Protocol
            | SortKey::Label => name(self).cmp(&name(other)),
        }
    }
}
