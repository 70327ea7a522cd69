//! A part of all flows: what is known of them on the way down a tree.

use netweir_wire::map::RuleRow;

/// Words of which rows ask for bits.
const MASKED: usize = 6;

/// Flows of which some bits are known, and between which ports they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Region {
    known: [u64; MASKED],
    value: [u64; MASKED],
    low: [u16; 2],
    high: [u16; 2],
}

/// Bits of a word that a turn takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) word: u8,
    pub(super) shift: u8,
    pub(super) bits: u8,
}

impl Cut {
    /// Into how many parts.
    pub(super) const fn parts(self) -> usize {
        1 << self.bits
    }

    /// The bits that it takes of a word, as a number.
    const fn number(self, word: u64) -> usize {
        (word >> self.shift) as usize & (self.parts() - 1)
    }

    /// Whether it takes bits of ports.
    pub(super) const fn is_of_ports(self) -> bool {
        self.word as usize == MASKED
    }

    const fn mask(self) -> u64 {
        ((1 << self.bits) - 1) << self.shift
    }
}

impl Region {
    /// All flows.
    pub(super) const ALL: Self = Self {
        known: [0; MASKED],
        value: [0; MASKED],
        low: [0; 2],
        high: [u16::MAX; 2],
    };

    /// Whether a flow of it can match a row.
    pub(super) fn allows(&self, row: &RuleRow) -> bool {
        let differs = |place: usize| {
            (row.value[place] ^ self.value[place]) & row.mask[place] & self.known[place] != 0
        };
        !(0..MASKED).any(differs)
            && (0..2).all(|end| row.low[end] <= self.high[end] && row.high[end] >= self.low[end])
    }

    /// Whether every flow of it matches a row that it allows.
    pub(super) fn is_covered_by(&self, row: &RuleRow) -> bool {
        (0..MASKED).all(|place| row.mask[place] & !self.known[place] == 0)
            && (0..2).all(|end| row.low[end] <= self.low[end] && row.high[end] >= self.high[end])
    }

    /// What is known of bits that listed rows ask for: regions that agree in it are the same to them.
    pub(super) fn as_seen_by(&self, rows: &[RuleRow], list: &[u16]) -> Self {
        let mut seen = *self;
        for (place, asked) in asked_bits(rows, list).into_iter().enumerate() {
            seen.known[place] &= asked;
            seen.value[place] &= seen.known[place];
        }
        seen
    }

    /// The part with this number; `None` where there is no such flow.
    pub(super) fn part(&self, cut: Cut, number: usize) -> Option<Self> {
        let number = number as u64;
        let mut part = *self;
        let word = usize::from(cut.word);
        if word < MASKED {
            let value = number << cut.shift;
            if (value ^ self.value[word]) & cut.mask() & self.known[word] != 0 {
                return None;
            }
            part.known[word] |= cut.mask();
            part.value[word] |= value;
            return Some(part);
        }
        let (end, shift) = port_end(cut.shift);
        part.low[end] = self.low[end] | (number << shift) as u16;
        part.high[end] = part.low[end] | ((1_u32 << shift) - 1) as u16;
        Some(part)
    }

    /// How many of listed rows, all of which it allows, each part of a cut allows; `None` where these are
    /// more than `most` together.
    pub(super) fn counts(
        &self,
        rows: &[RuleRow],
        list: &[u16],
        cut: Cut,
        most: usize,
    ) -> Option<Vec<usize>> {
        let listed = list.iter().filter_map(|&row| rows.get(usize::from(row)));
        let parts: Vec<_> = listed.map(|row| self.parts(row, cut)).collect();
        let sum: usize = parts.iter().map(Parts::len).sum();
        if sum > most {
            return None;
        }
        let mut counts = vec![0; cut.parts()];
        for number in parts.into_iter().flatten() {
            counts[number] += 1;
        }
        Some(counts)
    }

    /// The parts of a cut that allow a row.
    fn parts(&self, row: &RuleRow, cut: Cut) -> Parts {
        let word = usize::from(cut.word);
        if word < MASKED {
            let [asked, known] = [row.mask[word], self.known[word]].map(|bits| cut.number(bits));
            let value = row.value[word] & row.mask[word] | self.value[word];
            return Parts {
                value: cut.number(value),
                free: !(asked | known) & (cut.parts() - 1),
                next: Some(0),
                last: usize::MAX,
            };
        }
        let (end, shift) = port_end(cut.shift);
        let first = row.low[end].max(self.low[end]) - self.low[end];
        let last = row.high[end].min(self.high[end]) - self.low[end];
        Parts {
            value: 0,
            free: cut.parts() - 1,
            next: Some(usize::from(first >> shift)),
            last: usize::from(last >> shift),
        }
    }

    /// The cuts that may tell listed rows apart, of `bits` bits each.
    pub(super) fn cuts(&self, rows: &[RuleRow], list: &[u16], bits: u8) -> Vec<Cut> {
        let asked = asked_bits(rows, list);
        let mut ports = [false; 2];
        for row in list.iter().filter_map(|&row| rows.get(usize::from(row))) {
            for (end, asks) in ports.iter_mut().enumerate() {
                *asks |= row.low[end] > self.low[end] || row.high[end] < self.high[end];
            }
        }
        let mut cuts = Vec::new();
        for (word, asked) in asked.into_iter().enumerate() {
            let open = asked & !self.known[word];
            let top = (64 - open.leading_zeros() as u8).saturating_sub(bits);
            for shift in (0..=64 - bits).step_by(usize::from(bits)).chain([top]) {
                let cut = Cut {
                    word: word as u8,
                    shift,
                    bits,
                };
                if open & cut.mask() != 0 {
                    cuts.push(cut);
                }
            }
        }
        for (end, asks) in ports.into_iter().enumerate() {
            // A region between ports is a block: its size says which bits are not known yet.
            let open = (u32::from(self.high[end] - self.low[end]) + 1).trailing_zeros() as u8;
            if asks && open >= bits {
                cuts.push(Cut {
                    word: MASKED as u8,
                    shift: open - bits + if end == 0 { 16 } else { 0 },
                    bits,
                });
            }
        }
        cuts
    }
}

/// Numbers of parts: those that differ from a value in free bits alone, from `next` to `last` of these.
struct Parts {
    value: usize,
    free: usize,
    next: Option<usize>,
    last: usize,
}

impl Parts {
    /// How many there are, before the first one was taken.
    fn len(&self) -> usize {
        match (self.next, self.last) {
            (Some(first), last @ 0..usize::MAX) => last - first + 1,
            _ => 1 << self.free.count_ones(),
        }
    }
}

impl Iterator for Parts {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let number = self.next?;
        // The next one of which only free bits are set, till all are 0 again.
        let next = number.wrapping_sub(self.free) & self.free;
        self.next = (next != 0 && number < self.last).then_some(next);
        Some(self.value | number)
    }
}

/// Which bits listed rows ask for.
fn asked_bits(rows: &[RuleRow], list: &[u16]) -> [u64; MASKED] {
    let mut asked = [0; MASKED];
    for row in list.iter().filter_map(|&row| rows.get(usize::from(row))) {
        for (sum, mask) in asked.iter_mut().zip(row.mask) {
            *sum |= mask;
        }
    }
    asked
}

/// Which port bits of the word of ports are, and where among the port's they begin.
const fn port_end(shift: u8) -> (usize, u8) {
    if shift < 16 {
        (1, shift)
    } else {
        (0, shift - 16)
    }
}
