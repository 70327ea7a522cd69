//! A rule as JSON has it.

use super::{Time, Traffic, Volume};
use netweir_flow::{
    Hits, RuleTotals,
    rule::{Field, Numbered, Question, Reason, RuleSet},
};
use serde::Serialize;
use utoipa::ToSchema;

/// What a part of the traffic is called, and what is done with it. What a rule does not state is null,
/// and matches everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rule {
    /// Its number, which lasts as long as the rule does.
    pub number: u16,
    /// The name of the part of the traffic; several rules may give the same.
    #[schema(example = "payments")]
    pub label: String,
    /// The number of the label, which lasts.
    pub label_id: u16,
    /// `count`, `drop`, or `sample N`.
    #[schema(example = "sample 100")]
    pub action: String,
    /// Of rules whose prefixes are as long, that with the highest priority decides.
    pub priority: i32,
    /// An address or a network.
    #[schema(example = "10.1.0.0/16")]
    pub source: Option<String>,
    /// An address or a network.
    pub destination: Option<String>,
    /// The IP protocol, by name where it has one.
    #[schema(example = "tcp")]
    pub protocol: Option<String>,
    /// A port or a range.
    #[schema(example = "80-90")]
    pub source_port: Option<String>,
    /// A port or a range.
    #[schema(example = "443")]
    pub destination_port: Option<String>,
    /// Whether it holds for the opposite direction too.
    pub both_ways: bool,
    /// The name of an interface.
    pub interface: Option<String>,
    /// `in` or `out`, seen from the host.
    #[schema(example = "in")]
    pub direction: Option<String>,
    /// A VLAN identifier on either tag; 0 for no tag.
    pub vlan: Option<u16>,
    /// What the QUIC connection ID names.
    pub backend: Option<u32>,
}

impl Rule {
    /// A rule whose label has this number.
    pub fn new(known: &Numbered, label_id: u16) -> Self {
        let rule = &known.rule;
        Self {
            number: known.number,
            label: rule.label.clone(),
            label_id,
            action: rule.action.to_string(),
            priority: rule.priority,
            source: rule.text(Field::Source),
            destination: rule.text(Field::Destination),
            protocol: rule.text(Field::Protocol),
            source_port: rule.text(Field::SourcePort),
            destination_port: rule.text(Field::DestinationPort),
            both_ways: rule.both_ways,
            interface: rule.text(Field::Interface),
            direction: rule.text(Field::Direction),
            vlan: rule.vlan,
            backend: rule.backend,
        }
    }
}

/// The rules.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Rules {
    /// In the order of their precedence: the first that matches a packet decides.
    pub rules: Vec<ListedRule>,
}

/// A rule, and what was counted under it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ListedRule {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// What was counted under it; null where the agent does not decide by it, or not yet.
    pub hits: Option<RuleHits>,
}

/// What was counted under a rule.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RuleHits {
    /// How much, dropped packets included, and how fast in the last tick.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// As much of it as was dropped.
    pub dropped: Volume,
    /// As much of it as would have been dropped, at hooks that cannot.
    pub spared: Volume,
    /// Live flows about which it has decided last.
    pub flows: usize,
    /// Since when it is counted.
    pub since: Time,
    /// Time of the last packet; null while there was none.
    pub last_seen: Option<Time>,
    /// One frame in so many was counted, and these figures are multiplied by it; 1 where every frame
    /// was.
    pub sampling: u32,
}

impl RuleHits {
    /// Where one frame in so many is counted.
    pub fn new(totals: &RuleTotals, sampling: u32) -> Self {
        let Hits {
            count,
            dropped,
            spared,
            rate,
            flows,
            last_unix_ns,
        } = totals.hits;
        Self {
            traffic: Traffic::new(count, rate),
            dropped: dropped.into(),
            spared: spared.into(),
            flows,
            since: Time {
                unix_ns: totals.since_unix_ns,
            },
            last_seen: last_unix_ns.map(|unix_ns| Time { unix_ns }),
            sampling,
        }
    }
}

/// What a change of the rules has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleChange {
    /// The rules that were added or removed; after a replacement, all that there are, in the order of
    /// their precedence.
    pub rules: Vec<Rule>,
    /// Whether the kernel programs decide by it already. If not, the change lasts all the same, and holds
    /// as soon as the agent has come to it; the log says what keeps it.
    pub in_force: bool,
}

/// Which rule decides about a packet, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleTest {
    /// The number of the rule that decides; null where none matches.
    pub number: Option<u16>,
    /// The label that the packet gets; null where no rule matches.
    pub label: Option<String>,
    /// What is done with it: `count` where no rule matches.
    #[schema(example = "drop")]
    pub action: String,
    /// All rules that match, in the order of their precedence.
    pub matching: Vec<RuleMatch>,
}

/// A rule that matches a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleMatch {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// Bits of both prefixes together: the rule that has most of them decides.
    pub prefix_bits: u32,
    /// `decides`, or what it comes behind the one for that decides.
    #[schema(example = "its prefixes are shorter")]
    pub reason: &'static str,
}

impl RuleTest {
    /// What these rules, whose labels have these numbers, do with a packet.
    pub fn new(rules: &RuleSet, label_id: impl Fn(&str) -> u16, question: &Question) -> Self {
        let tell = |(known, reason): (&Numbered, Reason)| RuleMatch {
            rule: Rule::new(known, label_id(&known.rule.label)),
            prefix_bits: known.rule.prefix_bits(),
            reason: reason.text(),
        };
        let explained = rules.explain(&question.probe());
        let matching: Vec<_> = explained.into_iter().map(tell).collect();
        let winner = matching.first().map(|first| &first.rule);
        Self {
            number: winner.map(|rule| rule.number),
            label: winner.map(|rule| rule.label.clone()),
            action: winner.map_or_else(|| "count".to_owned(), |rule| rule.action.clone()),
            matching,
        }
    }
}
