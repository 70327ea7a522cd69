//! Where the frames of the inline path went, as JSON has it.

use netweir_flow::InlineLoss;
use netweir_wire::map::Bypass;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where the frames went that come by an interface and go on to another one:
/// `seen = crossed + tapped + dropped + lost + in_tap + unconfirmed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct InlineAccounting {
    /// Name of the interface that they come by.
    #[schema(example = "eth1")]
    pub interface: String,
    /// Its index within its network namespace.
    pub ifindex: u32,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Name of the interface that they go on to.
    #[schema(example = "eth2")]
    pub to: String,
    /// All that came.
    pub seen: u64,
    /// Handed on by the kernel, as it says itself.
    pub crossed: u64,
    /// Handed on by user space.
    pub tapped: u64,
    /// Dropped, because a rule says so.
    pub dropped: u64,
    /// Lost.
    pub lost: u64,
    /// The same by reason.
    pub lost_by_reason: BTreeMap<&'static str, u64>,
    /// With user space, or on the way there.
    pub in_tap: u64,
    /// Given to the kernel, to be handed on, and not confirmed: what is on its way, and what the kernel did
    /// not let be counted.
    pub unconfirmed: i64,
    /// As much of what crossed as a rule taps.
    pub bypassed: u64,
    /// The same by reason.
    pub bypassed_by_reason: BTreeMap<&'static str, u64>,
    /// As much of what was lost as was withheld, because it could not go by user space, by reason.
    pub withheld_by_reason: BTreeMap<&'static str, u64>,
    /// As much of what went to user space as was recorded.
    pub recorded: u64,
    /// As much as was not, though it was to be.
    pub unrecorded: u64,
}

impl From<&netweir_flow::InlineAccounting> for InlineAccounting {
    fn from(line: &netweir_flow::InlineAccounting) -> Self {
        let losses = InlineLoss::ALL.map(InlineLoss::name).into_iter();
        Self {
            interface: line.name.to_string(),
            ifindex: line.id.ifindex,
            netns: line.id.netns,
            to: line.to.to_string(),
            seen: line.seen,
            crossed: line.crossed,
            tapped: line.tapped,
            dropped: line.dropped,
            lost: line.lost_total(),
            lost_by_reason: losses.zip(line.lost).collect(),
            in_tap: line.in_tap,
            unconfirmed: line.unconfirmed(),
            bypassed: line.bypassed_total(),
            bypassed_by_reason: by_reason(line.bypassed),
            withheld_by_reason: by_reason(line.withheld),
            recorded: line.recorded,
            unrecorded: line.unrecorded,
        }
    }
}

fn by_reason(frames: [u64; Bypass::ALL.len()]) -> BTreeMap<&'static str, u64> {
    let names = Bypass::ALL.map(Bypass::name).into_iter();
    names.zip(frames).collect()
}
