//! What happens to a packet that was read: it is seen by its interface, then added to its flow.
//!
//! A usual packet of a flow that the cache knows takes the short way of [`account_usual`]; every
//! other packet the long way of [`account`].

use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_jiffies64, bpf_ktime_get_ns};
use netweir_wire::{
    map::{
        CacheEntry, CacheState, Class, Count, FlowKey, FlowValue, InterfaceCounters, InterfaceKey,
        InterfacePlace, LONG_WAY, LossReason, RuleAction, RuleMark, StrayReason, Volume, classes,
    },
    packet::{Headers, Problem, Usual},
    stand_in,
};

use crate::{
    cache::{self, Home},
    flows,
    interface::{admit, counters, find, nearby, stray},
    map::{self, Numbered, Work},
    quic,
    reader::{forget, opaque},
    rule,
    setting::setting,
    table::Era,
};

/// Accounts for a usual frame if the cache knows its flow and all that is wanted of it; says whether
/// it does.
#[inline(always)]
pub(crate) fn account_usual(usual: &Usual, interface: InterfaceKey, count: Count) -> bool {
    let key = FlowKey::words(interface, usual);
    let Some(entry) = cache::find(Home::of(&key, Era::now()), &key) else {
        return false;
    };
    let value = &mut entry.value;
    // There are none where it is to take the long way.
    let Some(counters) = counters(u32::from(value.interface)) else {
        return false;
    };
    if !is_sample() {
        counters.seen += count;
        leave_out(counters, value.classes, count.volume());
        return true;
    }
    counters.short += count;
    value.packets += count.packets;
    value.frames += count.frames;
    value.bytes += count.bytes;
    value.last_tick = tick();
    value.tcp_flags |= usual.tcp_flags;
    value.traffic_class = usual.traffic_class;
    true
}

/// What is to be done with a frame that was accounted for.
#[derive(Clone, Copy)]
pub(crate) struct Then(u32);

impl Then {
    const NOTHING: Self = Self(0);
    const LOOK: u32 = 1;
    const SAMPLE: u32 = 2;
    const DROP: u32 = 4;
    const TAP: u32 = 8;

    /// Whether it may be QUIC.
    #[inline(always)]
    pub(crate) const fn may_be_quic(self) -> bool {
        self.0 & Self::LOOK != 0
    }

    /// Whether a rule samples it.
    #[inline(always)]
    pub(crate) const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLE != 0
    }

    /// Whether a rule taps it.
    #[inline(always)]
    pub(crate) const fn is_tapped(self) -> bool {
        self.0 & Self::TAP != 0
    }

    /// Whether a rule drops it.
    #[inline(always)]
    pub(crate) const fn is_dropped(self) -> bool {
        self.0 & Self::DROP != 0
    }
}

/// Accounts for one frame, whose headers are in `work`, at an interface that is counted in any case;
/// `DROPS` says whether the hook can drop it.
#[inline(always)]
pub(crate) fn account<const DROPS: bool>(
    work: &mut Work,
    interface: InterfaceKey,
    count: Count,
) -> Then {
    match nearby(interface)
        .or_else(|| find(&interface))
        .or_else(|| admit(&interface))
    {
        Some(place) => add::<DROPS>(work, place, interface, count),
        None => {
            stray(StrayReason::InterfaceMapFull, count.volume());
            Then::NOTHING
        }
    }
}

/// The same if its interface is among those that are watched.
#[inline(always)]
pub(crate) fn account_watched(work: &mut Work, interface: InterfaceKey, count: Count) -> Then {
    match find(&interface) {
        Some(place) => add::<false>(work, place, interface, count),
        None => Then::NOTHING,
    }
}

#[inline(always)]
fn add<const DROPS: bool>(
    work: &mut Work,
    place: InterfacePlace,
    interface: InterfaceKey,
    count: Count,
) -> Then {
    let Some(counters) = counters(place.number) else {
        stray(StrayReason::InterfaceMapFull, count.volume());
        return Then::NOTHING;
    };
    let count = Count {
        packets: forget(&work.offset, count.packets as usize) as u64,
        frames: count.frames,
        bytes: forget(&work.offset, count.bytes as usize) as u64,
    };
    counters.seen += count;
    let classes = kinds(work, counters, count.volume());
    work.entry.key = FlowKey::new(interface, &work.headers);
    let admitted = is_admitted(work, place.names);
    let (rule, home, known) = decide(work, admitted);
    work.entry.value.rule = rule.0;
    if !admitted {
        counters.filtered += count.volume();
        add_classes(counters, classes, count.volume());
    } else if !is_sample() {
        leave_out(counters, classes, count.volume());
    } else {
        match add_to_flow(work, (home, known), (classes, place.number), count) {
            Ok(()) => counters.counted += count,
            Err(reason) => {
                if let Some(sum) = counters.lost.get_mut(opaque(&reason)) {
                    *sum += count.volume();
                }
                add_classes(counters, classes, count.volume());
            }
        }
    }
    let may_be_quic = admitted && classes[2] == Class::QuicCandidate as u8;
    then::<DROPS>(rule, counters, count, may_be_quic)
}

/// What a rule says is to be done with a frame, which is counted if it is to be dropped.
#[inline(always)]
fn then<const DROPS: bool>(
    rule: RuleMark,
    counters: &mut InterfaceCounters,
    count: Count,
    may_be_quic: bool,
) -> Then {
    let look = if may_be_quic { Then::LOOK } else { 0 };
    match rule.action() {
        RuleAction::Drop if DROPS => {
            counters.dropped += count.volume();
            Then(Then::DROP)
        }
        RuleAction::Drop => {
            counters.spared += count.volume();
            Then(look)
        }
        RuleAction::Sample => Then(look | Then::SAMPLE),
        RuleAction::Tap => Then(look | Then::TAP),
        RuleAction::Count => Then(look),
    }
}

/// The rule for the flow in `work`, where the flow belongs, and its entry if it has one.
#[inline(always)]
fn decide(work: &mut Work, admitted: bool) -> (RuleMark, Home, Option<&'static mut CacheEntry>) {
    let home = Home::of(cache::words(&work.entry.key), Era::now());
    let known = if admitted {
        cache::find_any(home, cache::words(&work.entry.key))
    } else {
        None
    };
    let place = match known {
        Some((_, known)) if Era::of(known) == home.era() => {
            return (RuleMark(known.value.rule), home, Some(known));
        }
        Some((place, _)) => place,
        None => 0,
    };
    // To the verifier all ways to here are one: else it would follow the decision for each of them.
    let place = forget(&work.offset, place as usize) as u32;
    let (hash, era) = (home.hash(), home.era());
    let rule = rule::decide(work, era);
    let home = Home::of_hash(hash, era);
    (rule, home, cache::find_again(home, place))
}

/// Whether the filter admits a flow. (The cache has only flows that it admits.)
#[inline(always)]
fn is_admitted(work: &Work, names: u32) -> bool {
    if setting::<{ stand_in::FILTERS }>() == 0 {
        return true;
    }
    let Some(filter) = map::FILTER.value(0) else {
        return true;
    };
    let forgetful = |number: u32| forget(&work.offset, number as usize) as u32;
    filter.admits_forgetting(&work.entry.key, forgetful(names), forgetful)
}

/// Counts what a flow does not keep of a frame; returns the classes that it does keep.
#[inline(always)]
fn kinds(work: &Work, counters: &mut InterfaceCounters, volume: Volume) -> [u8; 3] {
    let headers = &work.headers;
    if let Some(frames) = counters.problems.get_mut(opaque(&headers.problem)) {
        // Not by a comparison: the compiler would make one of it and the one with the length, in a
        // way that the verifier does not follow.
        *frames += u64::from(!matches!(headers.problem, Problem::None));
    }
    let ports = map::PORTS.value(0);
    let [family, transport, mut application] = classes(headers, |port| {
        ports.map_or(0, |ports| ports.bits[usize::from(port)])
    });
    if matches!(application, Class::LaterFragment) {
        // The only class that packets of one flow can differ in.
        counters.classes[Class::LaterFragment as usize] += volume;
        application = Class::None;
    }
    // The verifier would follow each combination of them to the end.
    let classes = family as usize | (transport as usize) << 8 | (application as usize) << 16;
    let [family, transport, application, ..] = forget(&work.offset, classes).to_le_bytes();
    [family, transport, application]
}

/// A frame that is in no flow for being no sample.
#[inline(always)]
fn leave_out(counters: &mut InterfaceCounters, classes: [u8; 3], volume: Volume) {
    counters.sampled += volume;
    add_classes(counters, classes, volume);
}

#[inline(always)]
fn add_classes(counters: &mut InterfaceCounters, classes: [u8; 3], volume: Volume) {
    for class in classes {
        let class = opaque(&class);
        if class == Class::None as usize {
            continue;
        }
        if let Some(sum) = counters.classes.get_mut(class) {
            *sum += volume;
        }
    }
}

/// Whether a frame is counted in its flow: one in [`stand_in::SAMPLING`] is, at random.
#[inline(always)]
fn is_sample() -> bool {
    let one_in = setting::<{ stand_in::SAMPLING }>();
    if one_in <= 1 {
        return true;
    }
    // SAFETY: the helper takes no arguments.
    let random = unsafe { bpf_get_prandom_u32() } as u32;
    u64::from(random) * u64::from(one_in) >> 32 == 0
}

/// Adds a frame to its flow, whose key and rule are in `work`: in the cache, else in the flow map,
/// else in the ring buffer.
#[inline(always)]
fn add_to_flow(
    work: &mut Work,
    (home, known): (Home, Option<&'static mut CacheEntry>),
    (classes, interface): ([u8; 3], u32),
    count: Count,
) -> Result<(), LossReason> {
    let rule = RuleMark(work.entry.value.rule);
    let Some(state) = map::CACHE_STATE.place(0) else {
        return Err(LossReason::FlowMapBusy);
    };
    // SAFETY: this CPU's own value, and no other program runs here meanwhile.
    let state = unsafe { &mut *state };
    let Some(known) = known else {
        work.entry.value = value(&work.headers, count, classes, (interface, rule));
        if cache::insert(home, &mut work.entry, state) {
            state.opened += 1;
            return Ok(());
        }
        return move_out(work, home, rule, state);
    };
    known.generation = home.era().generation();
    if known.value.rule == rule.0 {
        merge(&mut known.value, &work.headers, count);
        return Ok(());
    }
    // What was counted under another rule stays so.
    work.entry.value = known.value;
    known.value = value(&work.headers, count, classes, (interface, rule));
    let before = RuleMark(work.entry.value.rule);
    if move_out(work, home, before, state).is_err() {
        // No room: it goes with the flow.
        known.value.packets += work.entry.value.packets;
        known.value.frames += work.entry.value.frames;
        known.value.bytes += work.entry.value.bytes;
    }
    work.entry.value.rule = rule.0;
    Ok(())
}

/// Counts the entry in `work` outside of the cache, where flows of several rules are told apart.
#[inline(always)]
fn move_out(
    work: &mut Work,
    home: Home,
    rule: RuleMark,
    state: &mut CacheState,
) -> Result<(), LossReason> {
    let [low, high] = rule.0.to_ne_bytes();
    work.entry.key.reserved = [low, high, 0, 0];
    let added = flows::add(home.era().epoch(), &work.entry, state);
    work.entry.key.reserved = [0; 4];
    added
}

/// What a frame adds to a flow that is not in the cache.
#[inline(always)]
fn value(
    headers: &Headers,
    count: Count,
    classes: [u8; 3],
    (interface, rule): (u32, RuleMark),
) -> FlowValue {
    let tick = tick();
    FlowValue {
        packets: count.packets,
        frames: count.frames,
        bytes: count.bytes,
        // SAFETY: the helper takes no arguments.
        first_ns: unsafe { bpf_ktime_get_ns() },
        first_tick: tick,
        last_tick: tick,
        tcp_flags: headers.tcp_flags,
        traffic_class: headers.traffic_class,
        marks: headers.fragment.marks(),
        source_mac: headers.source_mac,
        destination_mac: headers.destination_mac,
        classes,
        reserved: 0,
        interface: interface as u16 | way(classes, rule),
        rule: rule.0,
    }
}

/// By which way the packets of a flow with these classes and under this rule go.
#[inline(always)]
fn way(classes: [u8; 3], rule: RuleMark) -> u16 {
    let is_looked_at = quic::is_on() && classes[2] == Class::QuicCandidate as u8;
    if is_looked_at || !matches!(rule.action(), RuleAction::Count) {
        LONG_WAY
    } else {
        0
    }
}

/// Adds a frame to a flow of the cache.
#[inline(always)]
fn merge(value: &mut FlowValue, headers: &Headers, count: Count) {
    value.packets += count.packets;
    value.frames += count.frames;
    value.bytes += count.bytes;
    value.last_tick = tick();
    value.tcp_flags |= headers.tcp_flags;
    value.traffic_class = headers.traffic_class;
    value.marks |= headers.fragment.marks();
}

/// The cheap clock: jiffies, or where the kernel has no such helper, about a millisecond.
#[inline(always)]
pub(crate) fn tick() -> u32 {
    if setting::<{ stand_in::JIFFIES }>() == 1 {
        // SAFETY: the helper takes no arguments.
        (unsafe { bpf_jiffies64() }) as u32
    } else {
        // SAFETY: the helper takes no arguments.
        (unsafe { bpf_ktime_get_ns() } >> 20) as u32
    }
}
