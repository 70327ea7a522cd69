//! The counters of interfaces: which interface has which, and reading them.

use std::collections::HashMap;

use aya::maps::{HashMap as KernelMap, MapData, PerCpuArray, Queue};
use netweir_flow::InterfaceSample;
use netweir_wire::{
    map::{Class, FlowValue, InterfaceCounters, InterfaceKey, InterfacePlace, Volume},
    name,
};

use super::map_error;
use crate::{
    Error,
    attach::{Layout, Object},
};

/// Insert only where there is none: `BPF_NOEXIST`.
const NEW: u64 = 1;

/// What the flows of an interface and direction add to each class.
type Classes = [Volume; Class::ALL.len()];

/// The interfaces of one load of the programs.
pub(super) struct Interfaces {
    places: KernelMap<MapData, Layout<InterfaceKey>, Layout<InterfacePlace>>,
    counters: PerCpuArray<MapData, Layout<InterfaceCounters>>,
    free: Queue<MapData, u32>,
    /// How many interfaces the programs had met when [`Self::known`] was brought up to date.
    admitted: u64,
    /// What is known of [`Self::places`].
    known: HashMap<InterfaceKey, u32>,
    /// By number, what is in flows; the kernel counts the classes of the other packets.
    classes: Vec<Classes>,
    /// Interfaces that are gone, whose entries are to be removed before the next epoch.
    gone: Vec<InterfaceKey>,
    /// Removed in the last epoch; flows of it may still have been counted under their numbers.
    removed: Vec<(InterfaceKey, u32)>,
}

impl Interfaces {
    /// Takes the maps out of a loaded object; `prepared` when another agent has used them before.
    pub(super) fn new(object: &mut Object, prepared: bool) -> Result<Self, Error> {
        let mut interfaces = Self {
            admitted: 0,
            places: object.take(name::INTERFACES)?,
            counters: object.take(name::COUNTERS)?,
            free: object.take(name::FREE_COUNTERS)?,
            known: HashMap::new(),
            classes: Vec::new(),
            gone: Vec::new(),
            removed: Vec::new(),
        };
        let numbers = interfaces.counters.len();
        interfaces
            .classes
            .resize(numbers as usize, Classes::default());
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
        if let Some(&number) = self.known.get(&key) {
            return self.put(key, InterfacePlace { number, names }, 0);
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
        self.known.insert(key, number);
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
        for key in self.gone.drain(..) {
            if let Err(error) = self.places.remove(&Layout(key)) {
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
            self.classes[number as usize] = Classes::default();
            self.known.remove(&key);
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
        let Some(classes) = self.classes.get_mut(value.interface as usize) else {
            return;
        };
        for class in value.classes {
            if let Some(sum) = classes.get_mut(usize::from(class)) {
                *sum += volume;
            }
        }
    }

    /// Reads the counters of all interfaces; `admitted` is how many the programs have met that
    /// nobody had told them of.
    pub(super) fn read(
        &mut self,
        admitted: u64,
        samples: &mut Vec<InterfaceSample>,
    ) -> Result<(), Error> {
        if admitted != self.admitted {
            self.admitted = admitted;
            self.refresh()?;
        }
        for (&key, &number) in &self.known {
            let values = self.counters.get(&number, 0);
            let mut counters = InterfaceCounters::ZERO;
            for Layout(value) in values.map_err(map_error(name::COUNTERS))?.iter() {
                counters += value;
            }
            let in_flows = &self.classes[number as usize];
            for (sum, &more) in counters.classes.iter_mut().zip(in_flows) {
                *sum += more;
            }
            // Counters of nothing say nothing, not even that there is an interface.
            if counters != InterfaceCounters::ZERO {
                samples.push(InterfaceSample { key, counters });
            }
        }
        Ok(())
    }

    /// Learns of interfaces that the programs have met.
    fn refresh(&mut self) -> Result<(), Error> {
        for entry in &self.places {
            let (Layout(key), Layout(place)) = entry.map_err(map_error(name::INTERFACES))?;
            if (place.number as usize) < self.classes.len() {
                self.known.insert(key, place.number);
            }
        }
        Ok(())
    }
}
