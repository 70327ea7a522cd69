//! Collecting what the kernel counted.
//!
//! Programs count flows in one of two sets of maps; [`Collector::begin`] lets them change to the
//! other, waits until none can still be writing to the first, and hands over what is in it. So a
//! drain costs what changed since the last one, a reader never meets a writer, and no count falls
//! between reading and removing. What was handed over is taken for good by [`Collector::take`]: an
//! agent that dies before leaves everything to its successor.

mod barrier;
mod cache;
mod entries;
mod epoch;
mod inline;
mod interfaces;
mod kept;
mod known;
mod maps;
mod names;
mod pieces;
mod quic;
mod raw;
mod ring;
mod rules;
mod set;

use aya::maps::{Array, MapData, MapError, PerCpuArray};
use netweir_flow::{Batch, Sample};
use netweir_wire::{
    map::{
        CacheEntry, FilterProgram, FlowKey, FlowValue, InterfaceKey, LayoutProgram, PortClasses,
        QuicEvent, StrayReason, Volume,
    },
    name,
};

use crate::{
    Error,
    attach::{Layout, Object},
    memory::split_value,
};
pub(crate) use barrier::Barrier;
pub(crate) use cache::Cache;
pub(crate) use entries::EntryMap;
use epoch::{Epoch, Stage, Taken};
pub(crate) use inline::Inline;
use interfaces::Interfaces;
pub use kept::{Kept, Moved};
pub(crate) use maps::NAMES as MAP_NAMES;
pub use maps::{Constants, Maps};
pub use names::InterfaceNames;
use pieces::Pieces;
use quic::Quic;
pub(crate) use raw::RawMap;
pub(crate) use ring::Ring;
use rules::Rules;

/// Entries of a map that are read with one system call, and flows that are handed over at once.
const BATCH_ENTRIES: usize = 4096;

/// What moves out of the maps of one loaded object what was counted there.
pub struct Collector {
    epoch: Epoch,
    barrier: Barrier,
    cache: Cache,
    flows: [EntryMap<FlowKey, FlowValue>; 2],
    ring: Option<Ring>,
    quic: Option<Quic>,
    rules: Rules,
    interfaces: Interfaces,
    ports: Array<MapData, Layout<PortClasses>>,
    filter: Array<MapData, Layout<FilterProgram>>,
    layouts: Array<MapData, Layout<LayoutProgram>>,
    strays: PerCpuArray<MapData, Layout<Volume>>,
    drained_opened: u64,
    tick_ns: u64,
    /// Whether it was said that something malformed came through the ring.
    is_malformed_told: bool,
    stage: Stage,
    maps: Maps,
    /// Where the maps are pinned.
    kept: Option<Kept>,
    /// Where frames go on to another interface.
    inline: Option<Inline>,
}

impl Collector {
    /// Takes the maps out of a loaded object.
    ///
    /// # Errors
    /// A map is missing, or cannot be mapped into memory.
    pub fn new(object: &mut Object) -> Result<Self, Error> {
        Self::open(Maps::of(object)?)
    }

    /// Goes on where another collector of the same maps has ended, however it did.
    ///
    /// # Errors
    /// A map cannot be used, or mapped into memory.
    pub fn open(maps: Maps) -> Result<Self, Error> {
        Self::open_kept(maps, None)
    }

    /// The same with maps that are pinned, and with what is kept beside them.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub fn open_kept(maps: Maps, kept: Option<Kept>) -> Result<Self, Error> {
        let epoch = Epoch::new(maps.descriptor(name::EPOCH)?)?;
        let Constants {
            ring_bytes,
            tick_ns,
            ..
        } = maps.constants();
        let ring = match ring_bytes {
            0 => None,
            bytes => {
                let mut ring = Ring::new(maps.descriptor(name::OVERFLOW)?, bytes)?;
                ring.pass_over(epoch.taken().ring);
                Some(ring)
            }
        };
        let mut collector = Self {
            interfaces: Interfaces::new(&maps, epoch.is_prepared())?,
            barrier: Barrier::new()?,
            cache: Cache::new(&maps)?,
            flows: [
                EntryMap::new(&maps, name::FLOWS_EVEN)?,
                EntryMap::new(&maps, name::FLOWS_ODD)?,
            ],
            ring,
            quic: Quic::new(&maps)?,
            rules: Rules::new(&maps)?,
            ports: maps.get(name::PORTS)?,
            filter: maps.get(name::FILTER)?,
            layouts: maps.get(name::LAYOUT)?,
            strays: maps.get(name::STRAY)?,
            drained_opened: 0,
            tick_ns,
            is_malformed_told: false,
            stage: Stage::Taken,
            maps,
            kept,
            inline: None,
            epoch,
        };
        if let Some(kept) = &collector.kept {
            let taken = collector.epoch.taken().epochs;
            collector.interfaces.restore(kept, taken)?;
        }
        if collector.epoch.is_prepared() {
            collector.recover()?;
        }
        collector.epoch.set_prepared();
        Ok(collector)
    }

    /// The maps, for another collector to [go on](Self::open) when this one has ended.
    pub const fn maps(&self) -> &Maps {
        &self.maps
    }

    /// How many epochs were taken for good, modulo 2^32.
    pub fn taken_epochs(&self) -> u32 {
        self.epoch.taken().epochs
    }

    /// Ends what an agent before this one may have left half done.
    fn recover(&mut self) -> Result<(), Error> {
        let taken = self.epoch.taken().epochs;
        if taken == self.epoch.current() {
            // It may have died while it removed what it had taken.
            self.flows[other(taken)].clear()?;
            if let Some(quic) = &mut self.quic {
                quic.clear(taken.wrapping_sub(1))?;
            }
        }
        Ok(())
    }

    /// Reads maps one by one from now on, as a kernel without batches needs it (before Linux 5.6).
    /// Found out by itself where that is so.
    pub fn read_singly(&mut self) {
        self.flows.iter_mut().for_each(EntryMap::read_singly);
        self.quic.iter_mut().for_each(Quic::read_singly);
    }

    /// Makes an entry for an interface, so that it is counted from its first packet.
    ///
    /// # Errors
    /// [`Error::InterfaceMapFull`], or the map cannot be written.
    pub fn add_interface(&mut self, key: InterfaceKey) -> Result<(), Error> {
        self.add_named_interface(key, InterfaceNames::default())
    }

    /// The same, or a change, with the names that the filter and the rules ask for.
    ///
    /// # Errors
    /// As of [`Self::add_interface`].
    pub fn add_named_interface(
        &mut self,
        key: InterfaceKey,
        names: InterfaceNames,
    ) -> Result<(), Error> {
        self.interfaces.add(key, names)
    }

    /// What programs know of the names of an interface that has counters.
    ///
    /// # Errors
    /// It has none.
    pub(crate) fn interface_names(&self, key: InterfaceKey) -> Result<InterfaceNames, Error> {
        self.interfaces.names(key)
    }

    /// The number of the counters of an interface, if it has some.
    pub(crate) fn interface_number(&self, key: InterfaceKey) -> Option<u32> {
        self.interfaces.number(key)
    }

    /// Lets an interface's counters go once they have been read a last time.
    pub fn remove_interface(&mut self, key: InterfaceKey) {
        self.interfaces.remove(key);
    }

    /// Whether the kernel has opened flows since the last drain.
    pub fn has_news(&self) -> bool {
        let opened = self.cache.opened();
        opened.is_ok_and(|opened| opened != self.drained_opened)
    }

    /// Hands over what the programs have told of QUIC, with the first bytes of the datagrams, and lets
    /// it go: before [`Self::begin`], so that what an event tells of a flow is known when its counts
    /// come. One of no known kind stands for what was no event.
    pub fn read_quic(&mut self, hand_over: &mut dyn FnMut(&QuicEvent, &[u8])) {
        if let Some(quic) = &mut self.quic {
            quic.read_events(hand_over);
        }
    }

    /// Lets programs go on in the next epoch, and reads the counters of interfaces into `batch`, and
    /// what was counted of QUIC.
    /// The flows of the epoch that has passed follow with [`Self::read_flows`].
    ///
    /// # Errors
    /// A map cannot be read.
    pub fn begin(&mut self, batch: &mut Batch) -> Result<(), Error> {
        if self.stage == Stage::Broken {
            return Err(Error::Broken);
        }
        if let Some(inline) = &mut self.inline {
            inline.ask();
        }
        self.drained_opened = self.cache.opened()?;
        self.close_epoch()?;
        let admitted = self.cache.admitted()?;
        // Before what came is read: so nothing has crossed that has not come.
        let inline = self.inline.as_mut().map(Inline::read).transpose()?;
        batch.inline.extend(inline);
        self.interfaces.read(admitted)?;
        batch.settled.append(&mut self.interfaces.settled());
        self.interfaces.samples(&mut batch.interfaces);
        self.read_strays(batch)?;
        batch.heads += &self.rules.counters()?;
        if let Some(quic) = &mut self.quic {
            quic.read_counters(self.epoch.current().wrapping_sub(1), batch)?;
        }
        if let Some(kept) = &mut self.kept {
            self.interfaces.taken_before(&mut batch.taken_before);
            kept.add_sums(batch)?;
        }
        self.stage = Stage::Begun;
        Ok(())
    }

    /// Hands over the flows of the epoch that has passed, piece by piece; then [`Self::take`] is due.
    ///
    /// # Errors
    /// A map cannot be read. Some of the flows may have been handed over then, so this collector
    /// hands over no more; the others show as being in flight.
    pub fn read_flows(&mut self, hand_over: &mut dyn FnMut(&[Sample])) -> Result<(), Error> {
        if std::mem::replace(&mut self.stage, Stage::Broken) != Stage::Begun {
            return Err(Error::Broken);
        }
        let passed = self.epoch.current().wrapping_sub(1);
        let mut pieces = Pieces::new(self.tick_ns, &mut self.interfaces, hand_over);
        let cache = &mut self.cache;
        cache.read(passed, &mut |entry: &CacheEntry| {
            debug_assert_eq!(entry.epoch, passed, "{entry:?}");
            pieces.add(&entry.key, &entry.value);
        })?;
        let flows = &mut self.flows[(passed & 1) as usize];
        flows.read(&mut |key, value| pieces.add(key, value))?;
        if let Some(ring) = &mut self.ring {
            ring.read(|entry| match split_value::<CacheEntry>(entry) {
                Some((entry, [])) => pieces.add(&entry.key, &entry.value),
                _ => pieces.add_malformed(),
            });
        }
        if let Some(kept) = &mut self.kept {
            kept.read_moved(&mut pieces)?;
        }
        pieces.finish();
        let frames = pieces.malformed();
        if frames != 0 && !std::mem::replace(&mut self.is_malformed_told, true) {
            tracing::warn!(
                frames,
                "the kernel's ring buffer holds what is no flow; counted as malformed"
            );
        }
        self.stage = Stage::Read;
        Ok(())
    }

    /// The counters that [`Self::begin`] read, with the classes of the flows that were handed over
    /// since; before [`Self::take`].
    pub fn classified(&self, batch: &mut Batch) {
        self.interfaces.samples(&mut batch.interfaces);
    }

    /// Lets programs go on in the next epoch and waits until none is left in the one before; does
    /// nothing more than waiting where that one has not been taken yet.
    fn close_epoch(&mut self) -> Result<(), Error> {
        let current = self.epoch.current();
        if self.epoch.taken().epochs == current {
            self.interfaces.remove_gone()?;
            self.epoch.set_current(current.wrapping_add(1));
        }
        // What comes later is not in the counters that are read now.
        if let Some(ring) = &mut self.ring {
            ring.close();
        }
        self.barrier.wait()
    }

    /// Takes for good what was handed over: it is not handed over again.
    ///
    /// # Errors
    /// A map cannot be cleared, or not all was handed over.
    pub fn take(&mut self) -> Result<(), Error> {
        self.decide()?;
        // What cannot be cleared would be handed over once more.
        self.stage = Stage::Broken;
        if let Some(ring) = &self.ring {
            ring.let_go();
        }
        let passed = self.epoch.current().wrapping_sub(1);
        self.flows[(passed & 1) as usize].clear()?;
        if let Some(quic) = &mut self.quic {
            quic.clear(passed)?;
        }
        if let Some(kept) = &mut self.kept {
            kept.let_go();
        }
        self.interfaces.let_go()?;
        self.stage = Stage::Taken;
        Ok(())
    }

    /// The moment in which everything is taken. What [`Self::take`] does behind it makes room, which
    /// a successor does as well; by itself this is for tests of just that.
    ///
    /// # Errors
    /// Not all was handed over.
    pub fn decide(&mut self) -> Result<(), Error> {
        if self.stage != Stage::Read {
            return Err(Error::Broken);
        }
        let current = self.epoch.current();
        if let Some(kept) = &mut self.kept {
            self.interfaces.keep(kept, current)?;
        }
        self.stage = Stage::Taken;
        self.epoch.set_taken(Taken {
            epochs: current,
            ring: self.ring.as_ref().map_or(0, Ring::position),
        });
        Ok(())
    }

    fn read_strays(&self, batch: &mut Batch) -> Result<(), Error> {
        for reason in StrayReason::ALL {
            let values = self.strays.get(&(reason as u32), 0);
            for Layout(value) in values.map_err(map_error(name::STRAY))?.iter() {
                batch.strays[reason as usize] += *value;
            }
        }
        Ok(())
    }
}

/// The side that programs do not write to in an epoch.
const fn other(epoch: u32) -> usize {
    (epoch.wrapping_sub(1) & 1) as usize
}

/// What the error of a map of that name is told as.
fn map_error(name: &'static str) -> impl Fn(MapError) -> Error {
    move |source| Error::Map { name, source }
}
