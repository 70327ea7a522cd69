//! Where every packet went, as JSON has it.

use super::{
    Count, Difference, HeadAccounting, InlineAccounting, Volume,
    interface::{lost, problems},
    name,
};
use netweir_wire::map::{self, LossReason, StrayReason};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where every packet went since the start.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Accounting {
    /// The whole.
    #[serde(flatten)]
    pub balance: Balance,
    /// A line for each direction of each interface.
    pub interfaces: Vec<InterfaceAccounting>,
    /// A line for each interface whose frames go on to another one.
    pub inline: Vec<InlineAccounting>,
}

/// Two borders that are watched: `seen = counted + filtered + sampled + lost` in the kernel, and
/// `received = in_flows + table_full + malformed` behind it. All of it is what was really counted:
/// nothing is multiplied where frames are sampled.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Balance {
    /// Whether both borders are balanced. Packets that are being counted while the counters are
    /// read may unbalance the kernel's for a moment; see `kernel_difference`.
    pub balanced: bool,
    /// One frame in so many was to be counted; 1 for every frame. Flows, connections, hosts and
    /// records are multiplied by it, and these figures are not.
    pub sampling: u32,
    /// All that came by the hooks.
    pub seen: Volume,
    /// What the kernel added to a flow.
    pub counted: Volume,
    /// What the filter did not admit.
    pub filtered: Volume,
    /// What sampling left out.
    pub sampled: Volume,
    /// What the kernel should have added to a flow and did not.
    pub lost: Volume,
    /// The same by reason.
    pub lost_by_reason: BTreeMap<&'static str, Volume>,
    /// As much of what was seen as was dropped, because a rule says so. It stands beside the sum, and not
    /// in it: dropped packets are counted too.
    pub dropped: Volume,
    /// As much of what was seen as a rule says is to be dropped, at hooks that cannot.
    pub spared: Volume,
    /// Seen less counted, filtered, sampled and lost.
    pub kernel_difference: Difference,
    /// Counted less received: what waits in the kernel's maps for the next drain.
    pub in_flight: Difference,
    /// What came in samples of flows.
    pub received: Count,
    /// As much of it as is in flows, live and ended.
    pub in_flows: Count,
    /// As much of it as belonged to new flows while the table was full.
    pub table_full: Count,
    /// As much of it as came in samples whose direction is none.
    pub malformed: Count,
    /// Received less in flows, less `table_full`, less `malformed`: 0 always.
    pub table_difference: Difference,
    /// As much of `received` as stands in no line of an interface, for want of room.
    pub unlisted: Count,
    /// No more than so much do records tell under another rule than it was counted under, for want of
    /// room. The totals of labels are exact all the same.
    pub mislabelled: Count,
    /// What became of the frames that rules sample.
    pub heads: HeadAccounting,
    /// What the kernel could charge to no interface, by reason.
    pub strays: BTreeMap<&'static str, Volume>,
    /// What was credited to no host, for want of room; once for each end.
    pub hosts_full: Volume,
    /// Samples and announcements of interfaces that were passed over.
    pub interfaces_passed_over: u64,
    /// Number of live flows.
    pub flows: usize,
    /// Number of hosts.
    pub hosts: usize,
}

/// Where the packets of one direction of one interface went.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InterfaceAccounting {
    /// Name of the interface.
    #[schema(example = "eth0")]
    pub interface: String,
    /// Its index within its network namespace.
    pub ifindex: u32,
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Where its packets are counted: `tcx`, `clsact`, `xdp-native`, `xdp-generic`, `inline`,
    /// `tracepoint`, `replay` or `unknown`.
    #[schema(example = "tcx")]
    pub hook: &'static str,
    /// `ingress` or `egress`.
    #[schema(example = "ingress")]
    pub direction: &'static str,
    /// Whether seen is counted, filtered, sampled and lost together.
    pub balanced: bool,
    /// All that came by the hook.
    pub seen: Count,
    /// What the kernel added to a flow.
    pub counted: Count,
    /// What the filter did not admit.
    pub filtered: Volume,
    /// What sampling left out.
    pub sampled: Volume,
    /// What the kernel should have added to a flow and did not.
    pub lost: Volume,
    /// The same by reason.
    pub lost_by_reason: BTreeMap<&'static str, Volume>,
    /// As much of what was seen as was dropped, because a rule says so. It stands beside the sum, and not
    /// in it.
    pub dropped: Volume,
    /// As much of what was seen as a rule says is to be dropped, where the hook cannot.
    pub spared: Volume,
    /// Seen less counted, filtered, sampled and lost.
    pub kernel_difference: Difference,
    /// Counted less received: what waits in the kernel's maps for the next drain.
    pub in_flight: Difference,
    /// What came in samples of flows.
    pub received: Count,
    /// Frames whose headers could not be read to the end, by problem; they are counted all the
    /// same.
    pub problems: BTreeMap<&'static str, u64>,
}

impl From<&netweir_flow::Accounting> for Accounting {
    fn from(accounting: &netweir_flow::Accounting) -> Self {
        Self {
            balance: accounting.into(),
            interfaces: accounting.interfaces.iter().map(Into::into).collect(),
            inline: accounting.inline.iter().map(Into::into).collect(),
        }
    }
}

impl From<&netweir_flow::Accounting> for Balance {
    fn from(accounting: &netweir_flow::Accounting) -> Self {
        let imbalance = accounting.imbalance();
        let none = netweir_flow::Difference::default();
        let mut sums = Sums::default();
        accounting.interfaces.iter().for_each(|line| sums.add(line));
        let stray_names = StrayReason::ALL.map(StrayReason::name).into_iter();
        Self {
            balanced: imbalance.kernel == none && imbalance.table == none,
            sampling: accounting.sampling,
            seen: sums.seen.into(),
            counted: sums.counted.into(),
            filtered: sums.filtered.into(),
            sampled: sums.sampled.into(),
            lost: sums.lost.into(),
            lost_by_reason: lost(sums.lost_by_reason),
            dropped: sums.dropped.into(),
            spared: sums.spared.into(),
            kernel_difference: imbalance.kernel.into(),
            in_flight: imbalance.in_flight.into(),
            received: accounting.received.into(),
            in_flows: accounting.in_flows.into(),
            table_full: accounting.table_full.into(),
            malformed: accounting.malformed.into(),
            table_difference: imbalance.table.into(),
            unlisted: accounting.unlisted.into(),
            mislabelled: accounting.mislabelled.into(),
            heads: (&accounting.heads).into(),
            strays: stray_names
                .zip(accounting.strays.map(Volume::from))
                .collect(),
            hosts_full: accounting.hosts_full.into(),
            interfaces_passed_over: accounting.interfaces_passed_over,
            flows: accounting.flows,
            hosts: accounting.hosts,
        }
    }
}

impl From<&netweir_flow::InterfaceAccounting> for InterfaceAccounting {
    fn from(line: &netweir_flow::InterfaceAccounting) -> Self {
        let imbalance = line.imbalance();
        Self {
            interface: line.name.to_string(),
            ifindex: line.id.ifindex,
            netns: line.id.netns,
            hook: line.hook.name(),
            direction: name::direction(line.direction),
            balanced: imbalance.kernel == netweir_flow::Difference::default(),
            seen: line.seen.into(),
            counted: line.counted.into(),
            filtered: line.filtered.into(),
            sampled: line.sampled.into(),
            lost: line.lost_total().into(),
            lost_by_reason: lost(line.lost),
            dropped: line.dropped.into(),
            spared: line.spared.into(),
            kernel_difference: imbalance.kernel.into(),
            in_flight: imbalance.in_flight.into(),
            received: line.received.into(),
            problems: problems(line.problems),
        }
    }
}

/// Sums over all lines.
#[derive(Default)]
struct Sums {
    seen: map::Volume,
    counted: map::Volume,
    filtered: map::Volume,
    sampled: map::Volume,
    lost: map::Volume,
    dropped: map::Volume,
    spared: map::Volume,
    lost_by_reason: [map::Volume; LossReason::ALL.len()],
}

impl Sums {
    fn add(&mut self, line: &netweir_flow::InterfaceAccounting) {
        self.seen += line.seen.volume();
        self.counted += line.counted.volume();
        self.filtered += line.filtered;
        self.sampled += line.sampled;
        self.lost += line.lost_total();
        self.dropped += line.dropped;
        self.spared += line.spared;
        for (sum, &more) in self.lost_by_reason.iter_mut().zip(&line.lost) {
            *sum += more;
        }
    }
}
