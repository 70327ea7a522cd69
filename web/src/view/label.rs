//! Labels as JSON has them.

use super::{Time, Traffic, Volume};
use netweir_flow::{Hits, LabelTotals};
use serde::Serialize;
use utoipa::ToSchema;

/// What a rule has decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Decision {
    /// The label that the rule gives; null where no rule has decided.
    #[schema(example = "payments")]
    pub label: Option<String>,
    /// The number of the rule; null where none has decided.
    pub rule: Option<u16>,
    /// What is done with the packets, `count`, `sample`, `drop` or `tap`; null where no rule has
    /// decided.
    #[schema(example = "count")]
    pub action: Option<&'static str>,
}

/// What was counted under a label since the start, by all rules that give it or gave it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Label {
    /// Its name; null for what no rule has decided about.
    #[schema(example = "payments")]
    pub label: Option<String>,
    /// Its number, which lasts; null for what no rule has decided about.
    pub id: Option<u16>,
    /// Numbers of the rules in force that give it.
    pub rules: Vec<u16>,
    /// How much since the start, dropped packets included, and how fast in the last tick.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// As much of it as was dropped.
    pub dropped: Volume,
    /// As much of it as a rule would have dropped, at hooks that cannot.
    pub spared: Volume,
    /// Live flows about which its rules have decided last.
    pub flows: usize,
    /// Time of the last packet; null while there was none.
    pub last_seen: Option<Time>,
    /// One frame in so many was counted, and these figures are multiplied by it; 1 where every frame
    /// was.
    pub sampling: u32,
}

impl From<Option<&netweir_flow::Decision>> for Decision {
    fn from(decision: Option<&netweir_flow::Decision>) -> Self {
        let label = decision.and_then(|by| by.label.as_ref());
        Self {
            label: label.map(|label| label.name.to_string()),
            rule: decision.map(|by| by.rule),
            action: decision.map(|by| by.action.name()),
        }
    }
}

impl Label {
    /// A label where one frame in so many is counted.
    pub fn new(totals: &LabelTotals, sampling: u32) -> Self {
        let LabelTotals { label, rules, hits } = totals;
        let Hits {
            count,
            dropped,
            spared,
            rate,
            flows,
            last_unix_ns,
        } = *hits;
        Self {
            label: label.as_ref().map(|label| label.name.to_string()),
            id: label.as_ref().map(|label| label.id),
            rules: rules.clone(),
            traffic: Traffic::new(count, rate),
            dropped: dropped.into(),
            spared: spared.into(),
            flows,
            last_seen: last_unix_ns.map(|unix_ns| Time { unix_ns }),
            sampling,
        }
    }
}
