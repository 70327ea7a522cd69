//! The flow cache: for each CPU, twice, a list of flows and an index that finds them.
//!
//! The flows of an epoch stand one behind the other, in the order in which they came. The index
//! has buckets of [`WAYS`] words, each of which names a place in the list. Both are written by the
//! programs of one CPU alone, and read by user space only when no program writes there any more.
//! Nothing is ever cleared: a word or an entry of another epoch counts as absent.

use super::{ADDRESS_WORDS, FlowCounters, FlowKey, KEY_WORDS};

/// Words in a bucket of the index.
pub const WAYS: usize = 4;

/// The flows of a list for each bucket of its index: so half of all words are in use when the list
/// is full.
pub const FLOWS_PER_BUCKET: u32 = 2;

/// A bucket of the index.
pub type Bucket = [u64; WAYS];

/// Random numbers that make the hash of a key unpredictable from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CacheSeed {
    /// One for each word of a key.
    pub words: [u64; KEY_WORDS],
}

impl CacheSeed {
    /// The hash of a key: a sum of products (multilinear hashing), of which the upper bits are
    /// good.
    ///
    /// A bit of a word has an effect on the bits of the sum from its own place upwards only. So the
    /// bytes of an address, of which the last tells most, are taken as the network has them.
    pub fn hash(&self, key: &[u64; KEY_WORDS]) -> u64 {
        Self::sum(key, self.words.iter().copied())
    }

    /// The same, with the random numbers from wherever they are.
    #[inline(always)]
    pub fn sum(key: &[u64; KEY_WORDS], words: impl Iterator<Item = u64>) -> u64 {
        let pairs = key.iter().zip(words).enumerate();
        pairs.fold(0, |sum, (place, (&word, random))| {
            let is_address = ADDRESS_WORDS.contains(&place);
            let word = if is_address { u64::from_be(word) } else { word };
            sum.wrapping_add(word.wrapping_mul(random))
        })
    }
}

/// A word of the index: the lower bits of the epoch (16 bits), a part of the key's hash (24 bits), and
/// the place of an entry in the list, counted from 1 (24 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexWord(pub u64);

/// Bits of the place.
const PLACE_BITS: u32 = 24;
/// Bits below the epoch.
const EPOCH_SHIFT: u32 = 48;
/// Where the place stands.
const PLACES: u64 = (1 << PLACE_BITS) - 1;
/// Where the part of the hash stands, in the hash as well.
const HASHES: u64 = ((1 << EPOCH_SHIFT) - 1) & !PLACES;

/// Flows that a list can hold: as many as there are places.
pub const MAX_CACHED_FLOWS: u32 = PLACES as u32;

impl IndexWord {
    /// The word of a key without a place.
    #[inline(always)]
    pub const fn mark(hash: u64, epoch: u32) -> u64 {
        hash & HASHES | (epoch as u64) << EPOCH_SHIFT
    }

    /// The word of a key with an entry at `place`, counted from 1.
    #[inline(always)]
    pub const fn new(mark: u64, place: u32) -> Self {
        Self(mark | place as u64)
    }

    /// Whether this is the word of a key with this mark, or of one that looks alike; a word that was
    /// never written can look like one of the first epoch.
    #[inline(always)]
    pub const fn has(self, mark: u64) -> bool {
        self.0 ^ mark <= PLACES
    }

    /// Whether the word names an entry of this epoch, or of one that looks alike.
    #[inline(always)]
    pub const fn is_taken(self, mark: u64) -> bool {
        (self.0 ^ mark) >> EPOCH_SHIFT == 0 && self.0 & PLACES != 0
    }

    /// The place of the entry, counted from 1; 0 for a word that was never written.
    #[inline(always)]
    pub const fn place(self) -> u32 {
        (self.0 & PLACES) as u32
    }

    /// The bucket of a key among so many.
    #[inline(always)]
    pub const fn bucket(hash: u64, buckets: u32) -> u32 {
        (((hash >> 32) * buckets as u64) >> 32) as u32
    }
}

/// What the kernel counted of a flow in one epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FlowValue {
    /// Packets as the wire carries them.
    pub packets: u64,
    /// Frames as the host handles them.
    pub frames: u64,
    /// Bytes of whole frames as the wire carries them.
    pub bytes: u64,
    /// Time of the first packet, nanoseconds of `CLOCK_MONOTONIC`.
    pub first_ns: u64,
    /// Time of the first packet in ticks of the cheap clock.
    pub first_tick: u32,
    /// Time of the last packet in ticks of the cheap clock.
    pub last_tick: u32,
    /// All TCP flags seen, host order.
    pub tcp_flags: u16,
    /// Type of service or traffic class of the last packet.
    pub traffic_class: u8,
    /// `FLOW_*` bits.
    pub marks: u8,
    /// Source MAC of the first packet.
    pub source_mac: [u8; 6],
    /// Destination MAC of the first packet.
    pub destination_mac: [u8; 6],
    /// The [`super::Class`]es that each packet is counted in.
    pub classes: [u8; 3],
    /// Always zero.
    pub reserved: u8,
    /// Number of the counters of the flow's interface and direction, and [`LONG_WAY`].
    pub interface: u16,
    /// The [`super::RuleMark`] of the rule that decided about the flow; 0 for none.
    pub rule: u16,
}

/// Set in [`FlowValue::interface`] where each packet takes the long way through a program, which looks
/// at more of it: the short way finds no counters of such a number. So it asks nothing for the sake of
/// packets that are not its own.
pub const LONG_WAY: u16 = 1 << 15;

/// Numbers of counters at most.
pub const MAX_COUNTERS: u32 = LONG_WAY as u32;

impl FlowValue {
    /// Number of the counters of the flow's interface and direction.
    pub const fn interface_number(&self) -> u32 {
        (self.interface & !LONG_WAY) as u32
    }

    /// The counters of a sample; `tick_ns` is the length of a tick of the cheap clock.
    pub fn counters(&self, tick_ns: u64) -> FlowCounters {
        // A CPU that was held up can write an earlier tick than the one that opened the flow.
        let ticks = (self.last_tick.wrapping_sub(self.first_tick) as i32).max(0) as u32;
        FlowCounters {
            packets: self.packets,
            frames: self.frames,
            bytes: self.bytes,
            first_ns: self.first_ns,
            last_ns: self
                .first_ns
                .saturating_add(u64::from(ticks).saturating_mul(tick_ns)),
            source_mac: self.source_mac,
            destination_mac: self.destination_mac,
            tcp_flags: self.tcp_flags,
            traffic_class: self.traffic_class,
            marks: self.marks,
        }
    }
}

/// A flow in the list of a CPU, or in the ring buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CacheEntry {
    /// The flow.
    pub key: FlowKey,
    /// Which epoch it was counted in.
    pub epoch: u32,
    /// The [`Epoch::generation`] of the rules that decided about it.
    pub generation: u32,
    /// What was counted.
    pub value: FlowValue,
}

/// Which epoch it is, and which ones have been handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Epoch {
    /// The epoch that programs count in: its lowest bit chooses between two of everything.
    pub current: u32,
    /// Number of the rules in force: its lowest bit chooses between two tables. 0 where there never
    /// were any. Beside the epoch, so that programs read and compare both at once.
    pub generation: u32,
    /// Epochs that user space has taken over for good (upper half), and how far it has read the ring
    /// buffer then (lower half, bytes modulo 2^32). One word, so that it changes at once.
    pub taken: u64,
    /// 1 once the agent has prepared the maps.
    pub prepared: u32,
    /// Always zero.
    pub reserved: u32,
}

/// How far a CPU's lists are filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CacheState {
    /// For each list, the epoch of its entries.
    pub epoch: [u32; 2],
    /// For each list, the number of its entries.
    pub used: [u32; 2],
    /// Flows opened since the start, in the cache and behind it.
    pub opened: u64,
    /// Interfaces that programs have made an entry for, because nobody had told them of it.
    pub admitted: u64,
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use super::*;

    /// Ticks wrap around, and a CPU that was held up writes an earlier one than the first.
    #[test]
    fn the_last_packet_is_never_before_the_first() {
        let last_ns = |first_tick, last_tick, first_ns| {
            let value = FlowValue {
                first_ns,
                first_tick,
                last_tick,
                ..FlowValue::default()
            };
            value.counters(4_000_000).last_ns
        };
        assert_eq!(last_ns(100, 100, 5), 5);
        assert_eq!(last_ns(100, 103, 5), 12_000_005);
        assert_eq!(last_ns(u32::MAX, 2, 5), 12_000_005);
        assert_eq!(last_ns(100, 99, 5), 5);
        assert_eq!(last_ns(0, u32::MAX, 5), 5);
        assert_eq!(last_ns(100, 103, u64::MAX - 1), u64::MAX);
    }

    /// Flows that find no word in the index of a list that is just large enough for all of them.
    fn left_out(keys: &[[u64; KEY_WORDS]], seed: &CacheSeed) -> usize {
        let buckets = keys.len() as u32 / FLOWS_PER_BUCKET;
        let mut index = vec![Bucket::default(); buckets as usize];
        let mut left_out = 0;
        for (place, key) in (1..).zip(keys) {
            let hash = seed.hash(key);
            let mark = IndexWord::mark(hash, 1);
            let bucket = &mut index[IndexWord::bucket(hash, buckets) as usize];
            let free = bucket.iter_mut().find(|word| **word == 0);
            match free {
                Some(free) => *free = IndexWord::new(mark, place).0,
                None => left_out += 1,
            }
            assert!(
                bucket
                    .iter()
                    .filter(|&&word| IndexWord(word).has(mark))
                    .count()
                    <= 1
            );
        }
        left_out
    }

    /// Numbers that are the same in every run.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Pairs of neighbours, which is what addresses and ports are like, find words nearly as flows at
    /// random do. (A sum of products sets some of them closer together with some seeds.)
    #[test]
    fn neighbours_are_told_apart() {
        let flow = |source: u128, destination: u128, ports: [u16; 2]| {
            let [a, b, c, d] = [source, source >> 64, destination, destination >> 64]
                .map(|word| (word as u64).to_be());
            let ports = u64::from(ports[0].to_be()) | u64::from(ports[1].to_be()) << 16;
            [2 << 32 | 7, b, a, d, c, ports | 8 << 32, 6]
        };
        let v4 = |last: u32| 0xffff_0a00_0000 | u128::from(last);
        let v6 = |last: u32| 0x2001_0db8 << 96 | u128::from(last);
        let pairs = || (0..256).flat_map(|one| (0..256).map(move |other| (one, other)));
        let sets: [Vec<_>; 5] = [
            pairs()
                .map(|(one, other)| flow(v4(one), v4(other), [443, 443]))
                .collect(),
            pairs()
                .map(|(one, other)| flow(v6(one), v6(other), [443, 443]))
                .collect(),
            pairs()
                .map(|(one, other)| flow(v4(one << 8), v4(other << 16), [1, 2]))
                .collect(),
            pairs()
                .map(|(one, other)| flow(v4(one), v4(1), [53, other as u16]))
                .collect(),
            pairs()
                .map(|(one, other)| flow(v6(1), v6(1), [one as u16, other as u16]))
                .collect(),
        ];
        let mut state = 1;
        for _ in 0..4 {
            let seed = CacheSeed {
                words: [(); KEY_WORDS].map(|()| random(&mut state) | 1),
            };
            let scattered: Vec<_> = (0..65_536)
                .map(|_| [(); KEY_WORDS].map(|()| random(&mut state)))
                .collect();
            let usual = left_out(&scattered, &seed);
            for (number, set) in sets.iter().enumerate() {
                let here = left_out(set, &seed);
                assert!(here < 5 * usual, "set {number}: {here}, scattered: {usual}");
            }
        }
    }
}
