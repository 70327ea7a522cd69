//! Whether the spin bit of one sender says how long a round trip takes (RFC 9000 section 17.4).
//!
//! A peer that does not take part sends 0 always, or random bits; nothing in a packet tells which.
//! Random bits turn with every second packet, whatever the time between packets is. And where the
//! application has nothing to send, the bit waits for its next packet: the time between turns is then
//! that of the application (RFC 9312 section 3.8.2). So the round trip is the shortest of late, and
//! it is believed where the handshake agrees, or where so many packets come that none waits.

use netweir_wire::map::SpinSums;

/// No round trip is shorter: times below come from random or reordered bits.
const LEAST_NS: u64 = 100_000;
/// Packets for each turn at least: random bits have two.
const PACKETS_PER_TURN: u64 = 4;
/// Turns before anything is said of their time.
const LEAST_TURNS: u32 = 4;
/// Packets without a turn before the bit counts as disabled.
const LEAST_PACKETS: u32 = 64;
/// Time without a turn before the bit counts as disabled where nothing was told of it: longer than a
/// round trip takes.
const LEAST_SILENT_NS: u64 = 2_000_000_000;
/// How many times longer or shorter than the handshake's a round trip may be.
const HANDSHAKE_RATIO: u64 = 10;
/// How many times longer it may be where few packets come.
const IDLE_RATIO: u64 = 2;
/// Packets for each turn from which on the sender has something to send all the time: such bursts take
/// longer than a round trip.
const BUSY_PACKETS: u64 = 64;
/// How long what was told of turns is of late, at least; at most twice as long.
const LATE_NS: u64 = 10_000_000_000;
/// What stands where there is no time yet.
const NO_TIME_NS: u64 = u64::MAX;

/// What is to be thought of a spin bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpinState {
    /// Too few packets, or too few turns.
    TooFew,
    /// It does not turn.
    Disabled,
    /// It turns in a way that no round trips make: at random, too fast, or far from the handshake's
    /// time.
    Noisy,
    /// It may turn as often as the application sends, which is not all the time.
    Idle,
    /// It turns as often as packets go round.
    Credible,
}

/// The time between turns of the spin bit, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpinTime {
    /// The round trip where the bit is credible: the shortest of late. What came once alone, as after
    /// packets that overtook each other, does not count.
    pub round_trip_ns: u64,
    /// The shortest.
    pub min_ns: u64,
    /// The mean, in which the time is when the application had nothing to send.
    pub mean_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// The spin bit of one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spin {
    /// All that was told of it.
    all: SpinSums,
    /// What of it has no time that is too short.
    plausible: SpinSums,
    /// What of that is of late: the older half, and the newer one.
    late: [Late; 2],
    /// When the newer half began.
    late_begin_ns: u64,
}

/// What was told in some seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Late {
    turns: u64,
    packets: u64,
    /// The two shortest times, each of another event.
    least_ns: [u64; 2],
}

impl SpinState {
    /// What is to be thought of a bit of which nothing was told, in so many packets and so long a
    /// time: it is told of when it has turned twice.
    pub(super) const fn of_untold(packets: u64, lasted_ns: u64) -> Self {
        if packets >= LEAST_PACKETS as u64 && lasted_ns >= LEAST_SILENT_NS {
            Self::Disabled
        } else {
            Self::TooFew
        }
    }

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooFew => "too_few",
            Self::Disabled => "disabled",
            Self::Noisy => "noisy",
            Self::Idle => "idle",
            Self::Credible => "credible",
        }
    }
}

impl Spin {
    /// What is to be thought of it, for a connection whose handshake took so long a round trip.
    pub fn state(&self, handshake_ns: Option<u64>) -> SpinState {
        let Self { all, plausible, .. } = self;
        if all.turns == 0 && all.packets >= LEAST_PACKETS {
            return SpinState::Disabled;
        }
        if all.turns < LEAST_TURNS {
            return SpinState::TooFew;
        }
        let is_random = u64::from(all.turns) * PACKETS_PER_TURN > u64::from(all.packets);
        let is_short = plausible.turns <= all.turns / 2;
        let contradicts = |of_handshake: u64| {
            plausible.max_ns < of_handshake / HANDSHAKE_RATIO
                || plausible.min_ns > of_handshake.saturating_mul(HANDSHAKE_RATIO)
        };
        if is_random || is_short || handshake_ns.is_some_and(contradicts) {
            return SpinState::Noisy;
        }
        let late = self.late();
        let agrees =
            |of_handshake: u64| late.shortest_ns() <= of_handshake.saturating_mul(IDLE_RATIO);
        match late.is_busy() || handshake_ns.is_some_and(agrees) {
            true => SpinState::Credible,
            false => SpinState::Idle,
        }
    }

    /// The times between its turns.
    pub fn time(&self) -> Option<SpinTime> {
        let SpinSums { turns, .. } = self.plausible;
        let mean_ns = self.plausible.sum_ns.checked_div(turns.into())?;
        Some(SpinTime {
            round_trip_ns: self.late().shortest_ns(),
            min_ns: self.plausible.min_ns,
            mean_ns,
            max_ns: self.plausible.max_ns,
        })
    }

    /// How often it turned, and in how many packets.
    pub const fn turns(&self) -> (u32, u32) {
        (self.all.turns, self.all.packets)
    }

    /// Takes what was told of it at a time.
    pub(super) fn add(&mut self, sums: &SpinSums, time_ns: u64) {
        merge(&mut self.all, sums);
        if sums.turns == 0 || sums.min_ns < LEAST_NS {
            return;
        }
        merge(&mut self.plausible, sums);
        let passed_ns = time_ns.saturating_sub(self.late_begin_ns);
        if passed_ns >= LATE_NS {
            let [_, newer] = self.late;
            let is_late = passed_ns < 2 * LATE_NS;
            self.late = [
                if is_late { newer } else { Late::default() },
                Late::default(),
            ];
            self.late_begin_ns = time_ns;
        }
        self.late[1].add(&Late {
            turns: sums.turns.into(),
            packets: sums.packets.into(),
            least_ns: [sums.min_ns, NO_TIME_NS],
        });
    }

    fn late(&self) -> Late {
        let [mut late, newer] = self.late;
        late.add(&newer);
        late
    }
}

impl Default for Late {
    fn default() -> Self {
        Self {
            turns: 0,
            packets: 0,
            least_ns: [NO_TIME_NS; 2],
        }
    }
}

impl Late {
    fn add(&mut self, more: &Self) {
        self.turns += more.turns;
        self.packets += more.packets;
        let [a, b] = self.least_ns;
        let [c, d] = more.least_ns;
        let mut all = [a, b, c, d];
        all.sort_unstable();
        self.least_ns = [all[0], all[1]];
    }

    const fn is_busy(&self) -> bool {
        self.packets / BUSY_PACKETS >= self.turns
    }

    /// The shortest time but one; the only one where there are no two.
    fn shortest_ns(&self) -> u64 {
        let [shortest, next] = self.least_ns;
        if next == NO_TIME_NS { shortest } else { next }
    }
}

fn merge(sum: &mut SpinSums, more: &SpinSums) {
    if more.turns > 0 {
        sum.min_ns = if sum.turns == 0 {
            more.min_ns
        } else {
            sum.min_ns.min(more.min_ns)
        };
    }
    sum.max_ns = sum.max_ns.max(more.max_ns);
    sum.sum_ns = sum.sum_ns.saturating_add(more.sum_ns);
    sum.turns = sum.turns.saturating_add(more.turns);
    sum.packets = sum.packets.saturating_add(more.packets);
}
