//! Who reads and writes what, in which order.

use std::collections::BTreeMap;

/// CPUs that programs run on.
pub(crate) const CPUS: usize = 3;
/// Flows that packets belong to.
pub(crate) const FLOWS: usize = 7;
/// Steps of a drain: closing, waiting, a list for each CPU, the map, the ring, deciding, letting go,
/// clearing.
pub(crate) const STEPS: usize = 2 + PIECES + 3;
const PIECES: usize = CPUS + 2;

/// Flows that find room.
const LIST_FLOWS: usize = 1;
const MAP_FLOWS: usize = 2;
const RING_FRAMES: usize = 3;

/// What makes it right; each can be left out, to see that it is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Nothing is read before the programs have ended that could see the epoch before.
    pub(crate) waits: bool,
    /// Everything is taken at one moment, and only then is room made.
    pub(crate) decides_first: bool,
    /// A successor clears what was taken and may not have been cleared.
    pub(crate) clears_after_others: bool,
    /// A successor does not read frames of the ring that were taken and not let go.
    pub(crate) skips_taken_frames: bool,
    /// An epoch is closed only when the one before has been taken.
    pub(crate) closes_only_what_is_taken: bool,
}

impl Rules {
    pub(crate) const ALL: Self = Self {
        waits: true,
        decides_first: true,
        clears_after_others: true,
        skips_taken_frames: true,
        closes_only_what_is_taken: true,
    };
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A packet comes: its program reads the epoch.
    Start { cpu: usize, flow: usize },
    /// The program counts it.
    Finish { cpu: usize },
    /// The reader does its next step.
    Read,
    /// The reader dies; its successor starts.
    Die,
}

type Counts = BTreeMap<usize, u64>;

fn add(counts: &mut Counts, flow: usize, packets: u64) {
    *counts.entry(flow).or_default() += packets;
}

/// The flows of one CPU in one epoch.
#[derive(Clone, Debug, Default)]
struct List {
    epoch: u32,
    flows: Counts,
}

/// What has been taken for good: epochs before this one, and frames of the ring.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    epochs: u32,
    frames: usize,
}

/// A reader, with all that dies with it.
#[derive(Clone, Debug, Default)]
struct Reader {
    step: usize,
    /// CPUs whose programs are waited for.
    awaited: [bool; CPUS],
    /// What was handed over and is not taken.
    read: Counts,
    /// How far the ring has been read.
    frames: usize,
}

#[derive(Debug)]
pub(crate) struct Model {
    rules: Rules,
    current: u32,
    taken: Taken,
    /// By CPU, the epoch that its program has read, and the flow of its packet.
    running: [Option<(u32, usize)>; CPUS],
    lists: [[List; 2]; CPUS],
    maps: [Counts; 2],
    /// Every frame that was ever put there; those before `let_go` take no room.
    ring: Vec<usize>,
    let_go: usize,
    reader: Reader,
    sent: Counts,
    lost: Counts,
    /// What was handed over for good.
    found: Counts,
}

impl Model {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            current: 0,
            taken: Taken::default(),
            running: [None; CPUS],
            lists: Default::default(),
            maps: Default::default(),
            ring: Vec::new(),
            let_go: 0,
            reader: Reader::default(),
            sent: Counts::new(),
            lost: Counts::new(),
            found: Counts::new(),
        }
    }

    pub(crate) fn happen(&mut self, event: Event) {
        match event {
            Event::Start { cpu, flow } => {
                // Programs do not interrupt one another.
                let epoch = self.current;
                self.running[cpu].get_or_insert((epoch, flow));
            }
            Event::Finish { cpu } => {
                self.reader.awaited[cpu] = false;
                if let Some((epoch, flow)) = self.running[cpu].take() {
                    add(&mut self.sent, flow, 1);
                    self.count(cpu, epoch, flow);
                }
            }
            Event::Read => self.read(),
            Event::Die => self.succeed(),
        }
    }

    /// Lets all programs end, and the reader come to an end twice, once for each side.
    pub(crate) fn finish(&mut self) {
        (0..CPUS).for_each(|cpu| self.happen(Event::Finish { cpu }));
        for _ in 0..3 * STEPS {
            self.happen(Event::Read);
        }
    }

    /// Whether each packet was handed over once or lost.
    pub(crate) fn is_exact(&self) -> bool {
        let mut all = self.found.clone();
        for (&flow, &packets) in &self.lost {
            add(&mut all, flow, packets);
        }
        all == self.sent
    }

    /// What a program does with a packet.
    fn count(&mut self, cpu: usize, epoch: u32, flow: usize) {
        let side = (epoch & 1) as usize;
        let list = &mut self.lists[cpu][side];
        if list.epoch != epoch {
            *list = List {
                epoch,
                flows: Counts::new(),
            };
        }
        let map = &mut self.maps[side];
        if has_room(&list.flows, LIST_FLOWS, flow) {
            add(&mut list.flows, flow, 1);
        } else if has_room(map, MAP_FLOWS, flow) {
            add(map, flow, 1);
        } else if self.ring.len() - self.let_go < RING_FRAMES {
            self.ring.push(flow);
        } else {
            add(&mut self.lost, flow, 1);
        }
    }

    /// The reader's next step.
    fn read(&mut self) {
        const FIRST_PIECE: usize = 2;
        const LAST_PIECE: usize = FIRST_PIECE + PIECES - 1;
        const FIRST_END: usize = LAST_PIECE + 1;
        match self.reader.step {
            0 => self.close(),
            1 if self.rules.waits && self.reader.awaited.contains(&true) => return,
            1 => {}
            piece @ FIRST_PIECE..=LAST_PIECE => self.read_piece(piece - FIRST_PIECE),
            step => self.end(step - FIRST_END),
        }
        self.reader.step = (self.reader.step + 1) % STEPS;
    }

    fn close(&mut self) {
        if !self.rules.closes_only_what_is_taken || self.taken.epochs == self.current {
            self.current += 1;
        }
        self.reader.awaited = self.running.map(|program| program.is_some());
    }

    fn read_piece(&mut self, piece: usize) {
        let passed = self.current - 1;
        let side = (passed & 1) as usize;
        let flows = match piece {
            cpu @ 0..CPUS if self.lists[cpu][side].epoch == passed => &self.lists[cpu][side].flows,
            0..CPUS => return,
            CPUS => &self.maps[side],
            _ => {
                let frames = &self.ring[self.reader.frames..];
                frames
                    .iter()
                    .for_each(|&flow| add(&mut self.reader.read, flow, 1));
                self.reader.frames = self.ring.len();
                return;
            }
        };
        for (&flow, &packets) in flows {
            add(&mut self.reader.read, flow, packets);
        }
    }

    /// Decides, lets frames go, clears the map; the last two before the first where that rule is
    /// left out.
    fn end(&mut self, step: usize) {
        let step = if self.rules.decides_first {
            step
        } else {
            (step + 1) % 3
        };
        match step {
            0 => {
                self.taken = Taken {
                    epochs: self.current,
                    frames: self.reader.frames,
                };
                for (flow, packets) in std::mem::take(&mut self.reader.read) {
                    add(&mut self.found, flow, packets);
                }
            }
            1 => self.let_go = self.reader.frames,
            _ => self.clear(),
        }
    }

    fn clear(&mut self) {
        self.maps[(self.current.wrapping_sub(1) & 1) as usize].clear();
    }

    /// Another reader takes the place of one that died.
    fn succeed(&mut self) {
        if self.rules.skips_taken_frames {
            self.let_go = self.let_go.max(self.taken.frames);
        }
        self.reader = Reader {
            frames: self.let_go,
            ..Reader::default()
        };
        if self.rules.clears_after_others && self.taken.epochs == self.current {
            self.clear();
        }
    }
}

/// Whether a flow is among these, or can be.
fn has_room(flows: &Counts, most: usize, flow: usize) -> bool {
    flows.len() < most || flows.contains_key(&flow)
}
