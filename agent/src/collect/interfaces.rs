//! The counters of interfaces: which interface has which, and reading them.

use std::{
    collections::{HashMap, hash_map::Entry},
    iter,
};

use aya::maps::{Array, HashMap as KernelMap, MapData, PerCpuArray, Queue};
use netweir_flow::InterfaceSample;
use netweir_wire::{
    map::{
        FlowValue, InterfaceCounters, InterfaceKey, InterfacePlace, NearInterface, Volume,
        near_place,
    },
    name,
};

use super::{Maps, map_error};
use crate::{Error, attach::Layout};

/// Insert only where there is none: `BPF_NOEXIST`.
const NEW: u64 = 1;

/// The interfaces of one load of the programs.
pub(super) struct Interfaces {
    places: KernelMap<MapData, Layout<InterfaceKey>, Layout<InterfacePlace>>,
    counters: PerCpuArray<MapData, Layout<InterfaceCounters>>,
    near: Array<MapData, Layout<NearInterface>>,
    free: Queue<MapData, u32>,
    /// How many interfaces the programs had met when [`Self::known`] was brought up to date.
    admitted: u64,
    /// What is known of [`Self::places`].
    known: HashMap<InterfaceKey, Known>,
    /// By number, the classes of what is in flows; the kernel counts those of the other packets.
    classes: Vec<InterfaceCounters>,
    /// What [`Self::read`] found: the kernel's own counters of each interface.
    read: Vec<(InterfaceKey, InterfaceCounters)>,
    /// Interfaces that are gone, whose entries are to be removed before the next epoch.
    gone: Vec<InterfaceKey>,
    /// Removed in the last epoch; flows of it may still have been counted under their numbers.
    removed: Vec<(InterfaceKey, u32)>,
    /// Removed in the epoch before; they may be let go once that one is taken.
    leaving: Vec<(InterfaceKey, u32)>,
    /// Let go since the last drain, when their counters had something to show.
    ended: Vec<InterfaceKey>,
}

/// Under which numbers an interface counts.
#[derive(Default)]
struct Known {
    number: u32,
    /// Those that it had before it was removed and met again, until they are let go.
    earlier: Vec<u32>,
    /// What it had counted under those that were let go since.
    before: InterfaceCounters,
}

impl Known {
    /// Every number under which it may still have to show something.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        iter::once(self.number).chain(self.earlier.iter().copied())
    }
}

impl Interfaces {
    /// Of these maps; `prepared` when another agent has used them before.
    pub(super) fn new(maps: &Maps, prepared: bool) -> Result<Self, Error> {
        let mut interfaces = Self {
            admitted: 0,
            places: maps.get(name::INTERFACES)?,
            counters: maps.get(name::COUNTERS)?,
            near: maps.get(name::NEAR)?,
            free: maps.get(name::FREE_COUNTERS)?,
            known: HashMap::new(),
            classes: Vec::new(),
            read: Vec::new(),
            gone: Vec::new(),
            removed: Vec::new(),
            leaving: Vec::new(),
            ended: Vec::new(),
        };
        let numbers = interfaces.counters.len();
        interfaces
            .classes
            .resize(numbers as usize, InterfaceCounters::ZERO);
        if !prepared {
            for number in 0..numbers {
                interfaces.give_back(number)?;
            }
        }
        interfaces.refresh()?;
        Ok(interfaces)
    }

    /// Makes an entry for an interface, so that it is counted from its first packet; `names` are
    /// the bits of the filter's names that it has.
    pub(super) fn add(&mut self, key: InterfaceKey, names: u32) -> Result<(), Error> {
        self.gone.retain(|gone| *gone != key);
        if self.known.contains_key(&key) {
            return self.add_again(key, names);
        }
        let number = match self.free.pop(0) {
            Ok(number) => number,
            Err(aya::maps::MapError::ElementNotFound) => return Err(Error::InterfaceMapFull),
            Err(source) => return Err(map_error(name::FREE_COUNTERS)(source)),
        };
        if let Err(error) = self.put(key, InterfacePlace { number, names }, NEW) {
            self.give_back(number)?;
            // The programs have met it before.
            self.refresh()?;
            return self.known.contains_key(&key).then_some(()).ok_or(error);
        }
        self.know(key, number)
    }

    /// The same for one that is known: it has other names now, or is back.
    fn add_again(&mut self, key: InterfaceKey, names: u32) -> Result<(), Error> {
        let place = |number| InterfacePlace { number, names };
        let number = self.number(key);
        let mut going = self.removed.iter().chain(&self.leaving);
        let is_going = going.any(|going| *going == (key, number));
        // The programs may have met it since it was removed: then it has another number already.
        if is_going && self.put(key, place(number), NEW).is_err() {
            self.refresh()?;
        }
        let number = self.number(key);
        // Else it counts on under the number that it had.
        for going in [&mut self.removed, &mut self.leaving] {
            going.retain(|going| *going != (key, number));
        }
        self.put(key, place(number), 0)?;
        self.know(key, number)
    }

    /// The number of an interface that is known.
    fn number(&self, key: InterfaceKey) -> u32 {
        self.known.get(&key).map_or(0, |known| known.number)
    }

    /// Notes the number of an interface, and puts it where programs look first if that is free.
    fn know(&mut self, key: InterfaceKey, number: u32) -> Result<(), Error> {
        match self.known.entry(key) {
            Entry::Vacant(unknown) => {
                unknown.insert(Known {
                    number,
                    ..Known::default()
                });
            }
            Entry::Occupied(mut known) if known.get().number != number => {
                let known = known.get_mut();
                known
                    .earlier
                    .push(std::mem::replace(&mut known.number, number));
            }
            Entry::Occupied(_) => {}
        }
        let near = NearInterface {
            ifindex: key.ifindex,
            number,
        };
        self.put_near(key, 0, near)
    }

    /// Changes what stands where programs look for an interface first, if it is of interface `now`.
    ///
    /// Programs that count another interface there meanwhile see its index or 0: nothing else ever
    /// stands in a place before it is emptied.
    fn put_near(&mut self, key: InterfaceKey, now: u32, near: NearInterface) -> Result<(), Error> {
        let place = near_place(key.ifindex, key.direction);
        let error = map_error(name::NEAR);
        let Layout(found) = self.near.get(&place, 0).map_err(&error)?;
        if found.ifindex == now {
            self.near.set(place, Layout(near), 0).map_err(&error)?;
        }
        Ok(())
    }

    fn put(&mut self, key: InterfaceKey, place: InterfacePlace, flags: u64) -> Result<(), Error> {
        let put = self.places.insert(Layout(key), Layout(place), flags);
        put.map_err(map_error(name::INTERFACES))
    }

    fn give_back(&mut self, number: u32) -> Result<(), Error> {
        let pushed = self.free.push(number, 0);
        pushed.map_err(map_error(name::FREE_COUNTERS))
    }

    /// Lets an interface's counters go once they have been read a last time.
    pub(super) fn remove(&mut self, key: InterfaceKey) {
        self.gone.push(key);
    }

    /// Removes what is gone, before the epoch changes.
    pub(super) fn remove_gone(&mut self) -> Result<(), Error> {
        self.leaving.append(&mut self.removed);
        if self.gone.is_empty() {
            return Ok(());
        }
        // Their numbers, which the programs may have given them since.
        self.refresh()?;
        for key in std::mem::take(&mut self.gone) {
            let near = self.put_near(key, key.ifindex, NearInterface::default());
            let place = self.places.remove(&Layout(key));
            if let Err(error) = near.and(place.map_err(map_error(name::INTERFACES))) {
                tracing::debug!(?key, %error, "an interface that is gone was in no map");
            }
            if let Some(known) = self.known.get(&key) {
                self.removed.push((key, known.number));
            }
        }
        Ok(())
    }

    /// Lets counters go that no program can be using any more.
    pub(super) fn let_go(&mut self) -> Result<(), Error> {
        for (key, number) in std::mem::take(&mut self.leaving) {
            let mut counted = self.counted(number)?;
            counted += &self.classes[number as usize];
            self.clear(number)?;
            self.give_back(number)?;
            let Some(known) = self.known.get_mut(&key) else {
                continue;
            };
            if known.number != number {
                // It has come back, with another number.
                known.earlier.retain(|earlier| *earlier != number);
                known.before += &counted;
                continue;
            }
            counted += &known.before;
            if counted != InterfaceCounters::ZERO {
                self.ended.push(key);
            }
            self.known.remove(&key);
        }
        Ok(())
    }

    fn clear(&mut self, number: u32) -> Result<(), Error> {
        let cpus = aya::util::nr_cpus().map_err(|(_, source)| Error::System {
            action: "count the CPUs",
            source,
        })?;
        let zero = vec![Layout(InterfaceCounters::ZERO); cpus].try_into();
        let zero = zero.map_err(|source| Error::System {
            action: "count the CPUs",
            source,
        })?;
        let cleared = self.counters.set(number, zero, 0);
        cleared.map_err(map_error(name::COUNTERS))?;
        self.classes[number as usize] = InterfaceCounters::ZERO;
        Ok(())
    }

    /// What the kernel has counted under a number.
    fn counted(&self, number: u32) -> Result<InterfaceCounters, Error> {
        let values = self.counters.get(&number, 0);
        let mut counters = InterfaceCounters::ZERO;
        for Layout(value) in values.map_err(map_error(name::COUNTERS))?.iter() {
            counters += value;
        }
        Ok(counters.settled())
    }

    /// Adds what a flow counted to the classes of its interface.
    pub(super) fn credit(&mut self, value: &FlowValue) {
        let volume = Volume {
            packets: value.packets,
            bytes: value.bytes,
        };
        if let Some(sums) = self.classes.get_mut(value.interface as usize) {
            sums.add_classes(value.classes, volume);
        }
    }

    /// Reads the counters of all interfaces; `admitted` is how many the programs have met that
    /// nobody had told them of.
    pub(super) fn read(&mut self, admitted: u64) -> Result<(), Error> {
        if admitted != self.admitted {
            self.admitted = admitted;
            self.refresh()?;
        }
        self.read.clear();
        for (&key, known) in &self.known {
            let mut counters = known.before;
            for number in known.numbers() {
                counters += &self.counted(number)?;
            }
            // Counters of nothing say nothing, not even that there is an interface.
            if counters != InterfaceCounters::ZERO {
                self.read.push((key, counters));
            }
        }
        Ok(())
    }

    /// Shows those that were let go with nothing, once: if they come back, they begin anew, and may
    /// be further by the next drain than they had been.
    pub(super) fn ends(&mut self, samples: &mut Vec<InterfaceSample>) {
        samples.extend(self.ended.drain(..).map(|key| InterfaceSample {
            key,
            counters: InterfaceCounters::ZERO,
        }));
    }

    /// What was read, with the classes of what has been handed over in flows until now.
    pub(super) fn samples(&self, samples: &mut Vec<InterfaceSample>) {
        samples.extend(self.read.iter().map(|&(key, mut counters)| {
            for number in self.known.get(&key).into_iter().flat_map(Known::numbers) {
                counters += &self.classes[number as usize];
            }
            InterfaceSample { key, counters }
        }));
    }

    /// Learns of interfaces that the programs have met.
    fn refresh(&mut self) -> Result<(), Error> {
        let mut met = Vec::new();
        for entry in &self.places {
            let (Layout(key), Layout(place)) = entry.map_err(map_error(name::INTERFACES))?;
            let known = self.known.get(&key);
            let is_new = known.is_none_or(|known| known.number != place.number);
            if is_new && (place.number as usize) < self.classes.len() {
                met.push((key, place.number));
            }
        }
        for (key, number) in met {
            self.know(key, number)?;
        }
        Ok(())
    }
}
