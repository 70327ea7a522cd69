//! Heads of packets that rules with the action `sample` told of, and those that were tapped.
//!
//! The latest ones are kept, for who looks and for who writes them down. Which frames were drawn and
//! what became of them the kernel programs count: `drawn = told + lost`, by reason.

use crate::{
    Decision, Endpoint, Label, endpoint::endpoints, lens::Lens, lens::direction, summed::Summed,
};
use netweir_wire::map::{
    Direction, HEAD_BYTES, HeadCounters, HeadLoss, PacketHead, RuleAction, RuleMark,
};
use std::{collections::VecDeque, sync::Arc};

/// The head of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number: they are numbered from 1 on as they come.
    pub number: u64,
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// Interface index within that namespace.
    pub ifindex: u32,
    /// Name of the interface; `if` and the index while nobody has told the name.
    pub interface: Arc<str>,
    /// Which way it went, seen from the host.
    pub direction: Direction,
    /// When it came, nanoseconds since 1970.
    pub unix_ns: u64,
    /// Where it came from.
    pub source: Endpoint,
    /// Where it went to.
    pub destination: Endpoint,
    /// Ethertype behind the VLAN tags.
    pub ethertype: u16,
    /// IP protocol behind the extension headers.
    pub protocol: u8,
    /// VLAN identifiers, outer first; 0 for none.
    pub vlans: [u16; 2],
    /// The rule that sampled or tapped it.
    pub decision: Option<Decision>,
    /// What the rule says is done.
    pub action: RuleAction,
    /// The queue that it came by, where it was tapped.
    pub queue: Option<u16>,
    /// Bytes of the frame.
    pub frame_bytes: u32,
    /// The first of them, from the link-layer header on.
    pub bytes: Arc<[u8]>,
}

impl Head {
    /// The label that its rule gives.
    pub fn label(&self) -> Option<&Label> {
        self.decision.as_ref()?.label.as_ref()
    }
}

/// What became of the frames that rules sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadAccounting {
    /// Frames that rules had drawn: `told + lost`.
    pub drawn: u64,
    /// Frames that rules sample, and that were not drawn.
    pub passed_over: u64,
    /// Heads that the kernel programs put into the ring.
    pub told: u64,
    /// Heads that they should have, by [`HeadLoss`].
    pub lost: [u64; HeadLoss::ALL.len()],
    /// Heads that came here: `told` but for those that wait in the ring, and for `malformed`; and `tapped`.
    pub received: u64,
    /// As many of those as were tapped, which no ring has told.
    pub tapped: u64,
    /// Entries of the ring that were no heads.
    pub malformed: u64,
    /// Heads that are kept.
    pub kept: usize,
}

/// The latest heads.
#[derive(Debug)]
pub(crate) struct Heads {
    latest: VecDeque<Kept>,
    max: usize,
    /// Bytes of frames that are kept.
    bytes: usize,
    received: u64,
    tapped: u64,
    malformed: u64,
    counters: Summed<HeadCounters>,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    head: PacketHead,
    decision: Option<Decision>,
    queue: Option<u16>,
    bytes: Arc<[u8]>,
}

/// Bytes of frames that are kept at most.
const MAX_BYTES: usize = 64 << 20;

impl Heads {
    /// Keeps so many at most.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            latest: VecDeque::new(),
            max,
            bytes: 0,
            received: 0,
            tapped: 0,
            malformed: 0,
            counters: Summed::default(),
        }
    }

    /// Takes a head with the first bytes of its frame, in the place of the oldest where all are taken.
    pub(crate) fn add(&mut self, head: &PacketHead, decision: Option<Decision>, bytes: &[u8]) {
        let bytes = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
        self.keep(head, decision, (None, bytes));
    }

    /// Takes a frame that came by this queue and was tapped, as many of its bytes as there are.
    pub(crate) fn add_tapped(
        &mut self,
        head: &PacketHead,
        decision: Option<Decision>,
        (queue, bytes): (u16, &[u8]),
    ) {
        self.tapped += 1;
        self.keep(head, decision, (Some(queue), bytes));
    }

    fn keep(
        &mut self,
        head: &PacketHead,
        decision: Option<Decision>,
        (queue, bytes): (Option<u16>, &[u8]),
    ) {
        self.received += 1;
        if self.max == 0 {
            return;
        }
        self.bytes += bytes.len();
        self.make_room(1);
        self.latest.push_back(Kept {
            number: self.received,
            head: *head,
            decision,
            queue,
            bytes: bytes.into(),
        });
    }

    /// Keeps so many at most from now on.
    pub(crate) fn set_max(&mut self, max: usize) {
        self.max = max;
        self.make_room(0);
    }

    /// Lets the oldest go, up to room for so many more.
    fn make_room(&mut self, more: usize) {
        while self.latest.len() + more > self.max || self.bytes > MAX_BYTES {
            let Some(oldest) = self.latest.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes.len();
        }
    }

    /// Counts what came in the place of heads.
    pub(crate) const fn refuse(&mut self, entries: u64) {
        self.malformed += entries;
    }

    /// Takes what all collectors have counted since the start.
    pub(crate) fn observe(&mut self, counters: &HeadCounters) {
        self.counters.observe(counters);
    }

    /// Those with greater numbers than `after`, the oldest first.
    pub(crate) fn after(&self, after: u64, lens: &Lens<'_>) -> impl Iterator<Item = Head> {
        let begin = self.latest.partition_point(|kept| kept.number <= after);
        self.latest.range(begin..).map(move |kept| kept.tell(lens))
    }

    pub(crate) fn accounting(&self) -> HeadAccounting {
        let HeadCounters {
            told,
            passed_over,
            lost,
            ..
        } = self.counters.total();
        HeadAccounting {
            drawn: lost.iter().fold(told, |sum, lost| sum.wrapping_add(*lost)),
            passed_over,
            told,
            lost,
            received: self.received,
            tapped: self.tapped,
            malformed: self.malformed,
            kept: self.latest.len(),
        }
    }
}

impl Kept {
    fn tell(&self, lens: &Lens<'_>) -> Head {
        let PacketHead {
            key,
            time_ns,
            frame_bytes,
            ..
        } = &self.head;
        let (source, destination) = endpoints(key);
        Head {
            number: self.number,
            netns: key.netns,
            ifindex: key.ifindex,
            interface: lens.interfaces.name(crate::lens::interface_id(key)),
            direction: direction(key),
            unix_ns: lens.unix_ns(*time_ns),
            source,
            destination,
            ethertype: u16::from_be_bytes(key.ethertype),
            protocol: key.protocol,
            vlans: [key.outer_vlan, key.inner_vlan].map(u16::from_be_bytes),
            decision: self.decision.clone(),
            action: RuleMark(self.head.rule).action(),
            queue: self.queue,
            frame_bytes: *frame_bytes,
            bytes: Arc::clone(&self.bytes),
        }
    }
}
