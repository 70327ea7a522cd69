//! The counters of interfaces: which interface has which, and reading them.

use std::collections::HashMap;

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
use crate::{Cpus, Error, attach::Layout, error::Doing};

/// Insert only where there is none: `BPF_NOEXIST`.
const NEW: u64 = 1;

/// The interfaces of one load of the programs.
pub(super) struct Interfaces {
    places: KernelMap<MapData, Layout<InterfaceKey>, Layout<InterfacePlace>>,
    counters: PerCpuArray<MapData, Layout<InterfaceCounters>>,
    near: Array<MapData, Layout<NearInterface>>,
    free: Queue<MapData, u32>,
    /// CPUs that have counters, whether they are there or not.
    cpus: usize,
    /// How many interfaces the programs had met when [`Self::known`] was brought up to date.
    admitted: u64,
    /// What is known of [`Self::places`].
    known: HashMap<InterfaceKey, u32>,
    /// By number, the classes of what is in flows; the kernel counts those of the other packets.
    classes: Vec<InterfaceCounters>,
    /// What [`Self::read`] found: interface, number, and the kernel's own counters.
    read: Vec<(InterfaceKey, u32, InterfaceCounters)>,
    /// Interfaces that are gone, whose entries are to be removed before the next epoch.
    gone: Vec<InterfaceKey>,
    /// Removed in the last epoch; flows of it may still have been counted under their numbers.
    removed: Vec<(InterfaceKey, u32)>,
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
            cpus: Cpus::of_machine()?.possible().len(),
            known: HashMap::new(),
            classes: Vec::new(),
            read: Vec::new(),
            gone: Vec::new(),
            removed: Vec::new(),
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
        // One that comes back counts on under the number that it had.
        self.removed.retain(|(removed, _)| *removed != key);
        if let Some(&number) = self.known.get(&key) {
            self.put(key, InterfacePlace { number, names }, 0)?;
            return self.know(key, number);
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

    /// Notes the number of an interface, and puts it where programs look first if that is free.
    fn know(&mut self, key: InterfaceKey, number: u32) -> Result<(), Error> {
        self.known.insert(key, number);
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

    /// Removes what is gone, before the epoch changes; returns what may be let go afterwards.
    pub(super) fn remove_gone(&mut self) -> Vec<(InterfaceKey, u32)> {
        let before = std::mem::take(&mut self.removed);
        for key in std::mem::take(&mut self.gone) {
            let near = self.put_near(key, key.ifindex, NearInterface::default());
            let place = self.places.remove(&Layout(key));
            if let Err(error) = near.and(place.map_err(map_error(name::INTERFACES))) {
                tracing::debug!(?key, %error, "an interface that is gone was in no map");
            }
            if let Some(&number) = self.known.get(&key) {
                self.removed.push((key, number));
            }
        }
        before
    }

    /// Lets counters go that no program can be using any more.
    pub(super) fn let_go(&mut self, removed: Vec<(InterfaceKey, u32)>) -> Result<(), Error> {
        for (key, number) in removed {
            let zero = vec![Layout(InterfaceCounters::ZERO); self.cpus].try_into();
            let zero = zero.doing("count the CPUs")?;
            let cleared = self.counters.set(number, zero, 0);
            cleared.map_err(map_error(name::COUNTERS))?;
            self.classes[number as usize] = InterfaceCounters::ZERO;
            // It may have come back meanwhile, with another number.
            if self.known.get(&key) == Some(&number) {
                self.known.remove(&key);
            }
            self.give_back(number)?;
        }
        Ok(())
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
        for (&key, &number) in &self.known {
            let values = self.counters.get(&number, 0);
            let mut counters = InterfaceCounters::ZERO;
            for Layout(value) in values.map_err(map_error(name::COUNTERS))?.iter() {
                counters += value;
            }
            let counters = counters.settled();
            // Counters of nothing say nothing, not even that there is an interface.
            if counters != InterfaceCounters::ZERO {
                self.read.push((key, number, counters));
            }
        }
        Ok(())
    }

    /// What was read, with the classes of what has been handed over in flows until now.
    pub(super) fn samples(&self, samples: &mut Vec<InterfaceSample>) {
        samples.extend(self.read.iter().map(|&(key, number, mut counters)| {
            counters += &self.classes[number as usize];
            InterfaceSample { key, counters }
        }));
    }

    /// Learns of interfaces that the programs have met.
    fn refresh(&mut self) -> Result<(), Error> {
        let mut met = Vec::new();
        for entry in &self.places {
            let (Layout(key), Layout(place)) = entry.map_err(map_error(name::INTERFACES))?;
            let is_new = self.known.get(&key) != Some(&place.number);
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
