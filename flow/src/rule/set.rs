//! All rules, in the order in which they are asked.

use super::{Action, Probe, Rule};
use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
};

/// A rule and its number, which lasts as long as the rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// From 1 up to below [`netweir_wire::map::RULE_NUMBERS`].
    pub number: u16,
    /// The rule.
    pub rule: Rule,
}

/// Rules in the order of their precedence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    rules: Vec<Numbered>,
}

impl RuleSet {
    /// Brings rules into the order of their precedence: the longest prefixes (the bits of both ends
    /// added) come first, among those the highest priority, among those the lowest number.
    pub fn new(mut rules: Vec<Numbered>) -> Self {
        rules.sort_by_key(|Numbered { number, rule }| {
            (Reverse(rule.prefix_bits()), Reverse(rule.priority), *number)
        });
        Self { rules }
    }

    /// The rules, those that are asked first in front.
    pub fn rules(&self) -> &[Numbered] {
        &self.rules
    }

    /// The rule of that number.
    pub fn get(&self, number: u16) -> Option<&Rule> {
        let mut all = self.rules.iter();
        all.find(|known| known.number == number)
            .map(|known| &known.rule)
    }

    /// Rules that never decide since another one that asks for the same comes first: the numbers of
    /// both.
    pub fn hidden(&self) -> Vec<[u16; 2]> {
        let mut first = HashMap::new();
        let mut hidden = Vec::new();
        for Numbered { number, rule } in &self.rules {
            let asked = Rule {
                label: String::new(),
                action: Action::Count,
                priority: 0,
                ..rule.clone()
            };
            match first.entry(asked) {
                Entry::Occupied(by) => hidden.push([*number, *by.get()]),
                Entry::Vacant(place) => {
                    place.insert(*number);
                }
            }
        }
        hidden
    }

    /// The rule that decides.
    pub fn decide(&self, probe: &Probe<'_>) -> Option<&Numbered> {
        self.rules.iter().find(|known| known.rule.matches(probe))
    }
}
