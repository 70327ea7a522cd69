//! Rules: which one decides about a flow, and the heads of packets that one samples.

use core::mem::offset_of;

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns, bpf_ringbuf_output},
};
use netweir_wire::{
    map::{
        HEAD_BYTES, HeadCounters, HeadLoss, InterfaceKey, InterfacePlace, PacketHead, QUIC_PLACES,
        RULE_TREES, RuleFacts, RuleMark, RuleMemory, RuleSlot, RuleTable,
    },
    stand_in,
};

use crate::{
    account::{Then, tick},
    cache,
    map::{self, Numbered, Work},
    reader::{Payload, opaque, volatile},
    setting::{anew, hash, masked, setting},
    table::Era,
};

/// The rule that decides about the flow in `work`.
#[inline(always)]
pub(crate) fn decide(work: &mut Work, era: Era) -> RuleMark {
    match era.generation() {
        // There never were any rules.
        0 => RuleMark::NONE,
        generation => RuleMark(ask(work, generation & 1) as u16),
    }
}

/// Asks a table of rules.
#[inline(always)]
fn ask(work: &mut Work, side: u32) -> u32 {
    let Some(table) = map::RULES.value(side) else {
        return 0;
    };
    let key = &work.entry.key;
    let interface = if table.has_interfaces == 0 {
        0
    } else {
        let interface = InterfaceKey {
            // Read apart: the compiler would write two numbers at once, where they may not lie so.
            netns: volatile(&key.netns),
            ifindex: key.ifindex,
            direction: u32::from(key.direction),
        };
        number(&interface, side)
    };
    let backend = backend(work, table);
    work.facts = RuleFacts::of_words(cache::words(&work.entry.key), interface, backend);
    let work = anew(work);
    let mut memory = InMap {
        row: &raw mut work.row,
        begun: (&raw mut work.begun).cast(),
    };
    u32::from(table.decide_in(&work.facts, &mut memory).0)
}

/// The working memory of a decision, this CPU's own.
struct InMap {
    row: *mut u32,
    /// One for each tree.
    begun: *mut u32,
}

impl RuleMemory for InMap {
    #[inline(always)]
    fn keep(&mut self, row: u32) {
        // SAFETY: the working memory lasts as long as its map.
        unsafe { self.row.write_volatile(row) };
    }

    #[inline(always)]
    fn kept(&self) -> u32 {
        // SAFETY: as above.
        unsafe { self.row.read_volatile() }
    }

    #[inline(always)]
    fn begin(&mut self, tree: usize, slot: RuleSlot) {
        // SAFETY: as above; there is one for each tree.
        unsafe { self.begun.add(tree % RULE_TREES).write_volatile(slot.0) };
    }

    #[inline(always)]
    fn begun(&self, tree: usize) -> RuleSlot {
        // SAFETY: as above.
        RuleSlot(unsafe { self.begun.add(tree % RULE_TREES).read_volatile() })
    }
}

/// The number that a table of rules has for an interface.
#[inline(always)]
fn number(interface: &InterfaceKey, side: u32) -> u32 {
    // SAFETY: a place is numbers, which user space alone writes.
    let place = map::interface(*interface).map(|place| unsafe { *place });
    // Not by an index, which would be one of the stack.
    place.map_or(
        0,
        |InterfacePlace {
             rules: [even, odd], ..
         }| { (u64::from(odd) << 32 | u64::from(even)) >> (32 * (side & 1)) },
    ) as u32
}

/// One more than the backend that the connection ID of the flow named last; 0 for none.
#[inline(always)]
fn backend(work: &Work, table: &RuleTable) -> u32 {
    if table.has_backends == 0 {
        return 0;
    }
    let hash = hash(cache::words(&work.entry.key)) | 1;
    let place = map::QUIC_PLACE.value((hash >> 40) as u32 & (QUIC_PLACES - 1));
    place.map_or(
        0,
        |place| if place.flow == hash { place.backend } else { 0 },
    )
}

/// Whether heads can be told.
#[inline(always)]
pub(crate) fn can_sample() -> bool {
    setting::<{ stand_in::HEAD_TICKS }>() != 0
}

/// Whether the head of a frame is to be told.
#[inline(always)]
pub(crate) fn samples(then: Then) -> bool {
    can_sample() && then.is_sampled()
}

/// What a CPU needs to tell a head.
#[repr(C)]
pub(crate) struct HeadWork {
    head: PacketHead,
    bytes: [u8; HEAD_BYTES],
}

const _: () = assert!(
    offset_of!(HeadWork, bytes) == size_of::<PacketHead>() && HEAD_BYTES.is_power_of_two(),
    "the bytes stand right behind the head"
);

/// Draws, and tells the head of a frame of so many bytes whose flow is in `work`.
#[inline(always)]
pub(crate) fn sample(payload: &impl Payload, work: &Work, frame_bytes: u32) {
    let (Some(counters), Some(head)) = (map::HEAD_COUNTERS.place(0), map::HEAD_WORK.place(0))
    else {
        return;
    };
    // SAFETY: both are this CPU's own, and programs do not interrupt one another.
    let (counters, head) = unsafe { (&mut *counters, &mut *head) };
    let rule = RuleMark(work.entry.value.rule);
    if !is_drawn(rule) {
        counters.passed_over += 1;
        return;
    }
    head.head = PacketHead {
        key: work.entry.key,
        // SAFETY: the helper takes no arguments.
        time_ns: unsafe { bpf_ktime_get_ns() },
        frame_bytes,
        captured_bytes: frame_bytes.min(HEAD_BYTES as u32) as u16,
        rule: rule.0,
    };
    let told = allow(counters).and_then(|()| tell(payload, head));
    match told {
        Ok(()) => counters.told += 1,
        Err(loss) => {
            if let Some(count) = counters.lost.get_mut(opaque(&loss)) {
                *count += 1;
            }
        }
    }
}

/// Whether a frame is one of those that its rule wants: one in so many, at random.
#[inline(always)]
fn is_drawn(rule: RuleMark) -> bool {
    let one_in = map::RULE_RATES.value(u32::from(rule.number())).copied();
    // SAFETY: the helper takes no arguments.
    let random = unsafe { bpf_get_prandom_u32() } as u32;
    u64::from(random) * u64::from(one_in.unwrap_or(1)) >> 32 == 0
}

/// Takes one head from the allowance of this CPU, once that has been brought up to date.
#[inline(always)]
fn allow(counters: &mut HeadCounters) -> Result<(), HeadLoss> {
    let per_second = setting::<{ stand_in::HEADS_OF_CPU }>();
    let ticks_per_second = setting::<{ stand_in::HEAD_TICKS }>();
    let now = tick();
    let ticks = now.wrapping_sub(counters.granted_tick);
    if ticks >= ticks_per_second {
        (counters.granted_tick, counters.allowance) = (now, per_second);
    } else {
        let more = u64::from(ticks) * u64::from(per_second) / u64::from(ticks_per_second.max(1));
        if more != 0 {
            counters.granted_tick = now;
            counters.allowance = counters
                .allowance
                .saturating_add(more as u32)
                .min(per_second);
        }
    }
    counters.allowance = counters
        .allowance
        .checked_sub(1)
        .ok_or(HeadLoss::OverAllowance)?;
    Ok(())
}

/// Puts a head into the ring with the first bytes of its frame.
#[inline(always)]
fn tell(payload: &impl Payload, work: &mut HeadWork) -> Result<(), HeadLoss> {
    const LAST: u64 = HEAD_BYTES as u64 - 1;
    // The verifier is to see that it is neither nothing nor too much.
    let more = masked::<LAST>(u64::from(work.head.captured_bytes).saturating_sub(1));
    let to = work.bytes.as_mut_ptr();
    // SAFETY: there is room for one more than the mask.
    if !unsafe { payload.load(0, to, more as u32 + 1) } {
        return Err(HeadLoss::Unreadable);
    }
    let more = masked::<LAST>(u64::from(work.head.captured_bytes).saturating_sub(1));
    let ring = core::ptr::from_ref(&map::HEADS).cast_mut();
    let length = size_of::<PacketHead>() as u64 + 1 + more;
    // SAFETY: the head and its bytes stand one behind the other in the working memory.
    let full = unsafe {
        let head = core::ptr::from_mut(work).cast();
        bpf_ringbuf_output(ring.cast(), head, length, u64::from(BPF_RB_NO_WAKEUP))
    };
    if full == 0 {
        Ok(())
    } else {
        Err(HeadLoss::RingFull)
    }
}
