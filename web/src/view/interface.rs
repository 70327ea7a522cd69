//! An interface as JSON has it.

use super::{ClassTraffic, Count, Speed, Volume, name};
use netweir_flow::{DirectionState, InterfaceState};
use netweir_wire::{
    map::{Class, Direction, LossReason},
    packet::Problem,
};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An interface: what it is, how it is watched, and what it has counted.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Interface {
    /// Its name.
    #[schema(example = "eth0")]
    pub name: String,
    /// Its index within its network namespace.
    pub ifindex: u32,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Name of its network namespace, if that is another one than ours and has a name.
    pub netns_name: Option<String>,
    /// Where its packets are counted: `tcx`, `clsact`, `xdp-native`, `xdp-generic`, `inline`, `tracepoint`,
    /// `replay` or `unknown`.
    #[schema(example = "tcx")]
    pub hook: &'static str,
    /// Whether it is a loopback device, which shows each packet at egress and at ingress.
    pub loopback: bool,
    /// What its frames begin with, if known: `ethernet`, `ip`, `null`, `linux-sll`, `linux-sll2`
    /// or `ppp`.
    pub link: Option<&'static str>,
    /// Whether it exists now.
    pub present: bool,
    /// Both directions in the last tick.
    pub rate: Speed,
    /// The highest rate of both directions in any tick; the two figures each by themselves.
    pub peak: Speed,
    /// What it received.
    pub ingress: InterfaceDirection,
    /// What it sent.
    pub egress: InterfaceDirection,
}

/// One direction of an interface.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InterfaceDirection {
    /// All that came by the hook since the start: what was counted, filtered, sampled and lost.
    pub seen: Count,
    /// What was added to a flow.
    pub counted: Count,
    /// What the filter did not admit.
    pub filtered: Volume,
    /// What sampling left out.
    pub sampled: Volume,
    /// What should have been added to a flow and was not, by reason.
    pub lost: BTreeMap<&'static str, Volume>,
    /// In the last tick.
    pub rate: Speed,
    /// The highest rate in any tick; the two figures each by themselves.
    pub peak: Speed,
    /// What was seen, by class; a packet is in several, one of each kind.
    pub classes: BTreeMap<&'static str, ClassTraffic>,
    /// Frames whose headers could not be read to the end, by problem; they are counted all the
    /// same.
    pub problems: BTreeMap<&'static str, u64>,
}

impl From<&InterfaceState> for Interface {
    fn from(state: &InterfaceState) -> Self {
        let interface = &state.interface;
        Self {
            name: interface.name.to_string(),
            ifindex: interface.id.ifindex,
            netns: interface.id.netns,
            netns_name: interface.netns_name.clone(),
            hook: interface.hook.name(),
            loopback: interface.loopback,
            link: interface.link.map(name::link),
            present: interface.present,
            rate: state.rate().into(),
            peak: state.peak().into(),
            ingress: state.direction(Direction::Ingress).into(),
            egress: state.direction(Direction::Egress).into(),
        }
    }
}

impl From<&DirectionState> for InterfaceDirection {
    fn from(state: &DirectionState) -> Self {
        let counters = state.counters();
        let class = |class: Class| {
            let total = counters.class(class).into();
            let speed = state.class_rate(class).into();
            (class.name(), ClassTraffic { total, speed })
        };
        // `Class::None` is no class, but the sink for what is in none.
        let classes = Class::ALL.into_iter().filter(|class| *class != Class::None);
        Self {
            seen: counters.seen.into(),
            counted: counters.counted.into(),
            filtered: counters.filtered.into(),
            sampled: counters.sampled.into(),
            lost: lost(counters.lost),
            rate: state.rate().into(),
            peak: state.peak().into(),
            classes: classes.map(class).collect(),
            problems: problems(counters.problems),
        }
    }
}

/// Losses by the name of their reason.
pub(super) fn lost(
    lost: [netweir_wire::map::Volume; LossReason::ALL.len()],
) -> BTreeMap<&'static str, Volume> {
    let names = LossReason::ALL.map(LossReason::name).into_iter();
    names.zip(lost.map(Volume::from)).collect()
}

/// Problems by name, without the one that is none.
pub(super) fn problems(problems: [u64; Problem::ALL.len()]) -> BTreeMap<&'static str, u64> {
    let named = Problem::ALL.into_iter().zip(problems);
    named
        .filter(|(problem, _)| *problem != Problem::None)
        .map(|(problem, frames)| (problem.name(), frames))
        .collect()
}
