//! The counters of interfaces: which interface has which, and reading them.
//!
//! A number of counters is let go in two steps, so that no packet is lost between them. Before an
//! epoch ends the interface loses the number: programs that still hold it count there, at the latest
//! through a flow that they open in the next epoch. When that has ended too, the counters are read a
//! last time and somebody else may have the number. An interface that programs meet again meanwhile
//! has another one, and shows the sum of both.

use std::collections::HashMap;

use aya::maps::{Array, HashMap as KernelMap, MapData, PerCpuArray, Queue};
use netweir_flow::InterfaceSample;
use netweir_wire::{
    map::{
        Carried, Count, FlowValue, InterfaceCounters, InterfaceKey, InterfacePlace, NearInterface,
        Volume, near_place,
    },
    name,
};

use super::{InterfaceNames, Kept, Maps, known::Known, map_error};
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
    known: HashMap<InterfaceKey, Known>,
    /// By number, what is added to what the kernel counts: the classes of what is in flows, and what
    /// was counted before these programs.
    classes: Vec<InterfaceCounters>,
    /// By number, what was handed over in flows, by collectors before this one too.
    taken: Vec<Count>,
    /// By number, what collectors before this one had taken.
    taken_before: Vec<Count>,
    /// What [`Self::read`] found: interface, number, and the kernel's own counters. The numbers of one
    /// interface come one behind the other.
    read: Vec<(InterfaceKey, u32, InterfaceCounters)>,
    /// Interfaces that are gone, whose entries are to be removed before the next epoch.
    gone: Vec<InterfaceKey>,
    /// Removed before this epoch began, in which their numbers are still counted under.
    removed: Vec<(InterfaceKey, u32)>,
    /// Removed before that: their numbers may be let go once the epoch that has ended is taken.
    unused: Vec<(InterfaceKey, u32)>,
    /// What was let go since the last drain had shown.
    settled: Vec<InterfaceSample>,
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
            taken: Vec::new(),
            taken_before: Vec::new(),
            read: Vec::new(),
            gone: Vec::new(),
            removed: Vec::new(),
            unused: Vec::new(),
            settled: Vec::new(),
        };
        let numbers = interfaces.counters.len();
        interfaces
            .classes
            .resize(numbers as usize, InterfaceCounters::ZERO);
        interfaces.taken.resize(numbers as usize, Count::ZERO);
        interfaces
            .taken_before
            .resize(numbers as usize, Count::ZERO);
        if !prepared {
            for number in 0..numbers {
                interfaces.give_back(number)?;
            }
        }
        interfaces.refresh()?;
        Ok(interfaces)
    }

    /// Goes on with what was kept when so many epochs had been taken.
    pub(super) fn restore(&mut self, kept: &Kept, taken_epochs: u32) -> Result<(), Error> {
        let numbers = kept.numbers().min(self.counters.len());
        for number in 0..numbers {
            let Carried { counters, taken } = kept.get(number, taken_epochs)?;
            let place = number as usize;
            self.classes[place] = counters;
            self.taken[place] = taken;
            self.taken_before[place] = taken;
        }
        Ok(())
    }

    /// Writes down what will hold when so many epochs have been taken.
    pub(super) fn keep(&self, kept: &mut Kept, taken_epochs: u32) -> Result<(), Error> {
        for known in self.known.values() {
            let place = known.number as usize;
            let carried = Carried {
                counters: self.classes[place],
                taken: self.taken[place],
            };
            kept.set(known.number, taken_epochs, carried)?;
        }
        Ok(())
    }

    /// The number of an interface's counters.
    pub(super) fn number(&self, key: InterfaceKey) -> Option<u32> {
        self.known.get(&key).map(|known| known.number)
    }

    /// What programs know of an interface's names.
    pub(super) fn names(&self, key: InterfaceKey) -> Result<InterfaceNames, Error> {
        let place = self.places.get(&Layout(key), 0);
        let Layout(place) = place.map_err(map_error(name::INTERFACES))?;
        Ok(InterfaceNames {
            filter: place.names,
            rules: place.rules,
        })
    }

    /// Makes an entry for an interface, so that it is counted from its first packet.
    pub(super) fn add(&mut self, key: InterfaceKey, names: InterfaceNames) -> Result<(), Error> {
        self.gone.retain(|gone| *gone != key);
        if let Some(known) = self.known.get(&key) {
            return self.tell(key, known.number, names);
        }
        // One that comes back at once counts on under the number that it had.
        let had = self.removed.iter().position(|(removed, _)| *removed == key);
        let had = had.map(|place| self.removed.swap_remove(place));
        let number = match had {
            Some((_, number)) => number,
            None => self.take_free()?,
        };
        if let Err(error) = self.put(key, names.place(number), NEW) {
            match had {
                Some(removed) => self.removed.push(removed),
                None => self.give_back(number)?,
            }
            // The programs have met it before.
            self.refresh()?;
            let known = self.known.get(&key).ok_or(error)?;
            return self.tell(key, known.number, names);
        }
        self.know(key, Known::new(number, true))
    }

    fn take_free(&mut self) -> Result<u32, Error> {
        self.free.pop(0).map_err(|error| match error {
            aya::maps::MapError::ElementNotFound => Error::InterfaceMapFull,
            source => map_error(name::FREE_COUNTERS)(source),
        })
    }

    /// Tells the programs what names an interface has that has a number.
    fn tell(&mut self, key: InterfaceKey, number: u32, names: InterfaceNames) -> Result<(), Error> {
        self.put(key, names.place(number), 0)?;
        self.know(key, Known::new(number, true))
    }

    /// Notes the number of an interface, and puts it where programs look first if that is free.
    fn know(&mut self, key: InterfaceKey, known: Known) -> Result<(), Error> {
        self.known.insert(key, known);
        let near = NearInterface {
            ifindex: key.ifindex,
            number: known.number,
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
        self.unused.append(&mut self.removed);
        if self.gone.is_empty() {
            return Ok(());
        }
        // Programs may have met them since, and given them numbers.
        self.refresh()?;
        for key in std::mem::take(&mut self.gone) {
            // None has met it, or it was removed before.
            let Some(Known { number, .. }) = self.known.remove(&key) else {
                continue;
            };
            // The number stays: programs read it after the index.
            let near = self.put_near(key, key.ifindex, NearInterface { ifindex: 0, number });
            let place = self.places.remove(&Layout(key));
            if let Err(error) = near.and(place.map_err(map_error(name::INTERFACES))) {
                tracing::debug!(?key, %error, "an interface that is gone was in no map");
            }
            self.removed.push((key, number));
        }
        Ok(())
    }

    /// Lets counters go that no program can be using any more.
    pub(super) fn let_go(&mut self) -> Result<(), Error> {
        for (key, number) in std::mem::take(&mut self.unused) {
            let shown = self.read.iter().find(|(_, read, _)| *read == number);
            if let Some((.., counters)) = shown {
                let mut counters = *counters;
                counters += &self.classes[number as usize];
                self.settled.push(InterfaceSample { key, counters });
            }
            let zero = vec![Layout(InterfaceCounters::ZERO); self.cpus].try_into();
            let zero = zero.doing("count the CPUs")?;
            let cleared = self.counters.set(number, zero, 0);
            cleared.map_err(map_error(name::COUNTERS))?;
            self.classes[number as usize] = InterfaceCounters::ZERO;
            self.taken[number as usize] = Count::ZERO;
            self.taken_before[number as usize] = Count::ZERO;
            self.give_back(number)?;
        }
        // What was read says nothing of numbers that somebody else may have now.
        self.read.clear();
        Ok(())
    }

    /// What was let go since this was asked for had shown, for the last time.
    pub(super) fn settled(&mut self) -> Vec<InterfaceSample> {
        std::mem::take(&mut self.settled)
    }

    /// Adds what a flow counted to the classes of its interface.
    pub(super) fn credit(&mut self, value: &FlowValue) {
        let volume = Volume {
            packets: value.packets,
            bytes: value.bytes,
        };
        let number = value.interface_number() as usize;
        if let Some(sums) = self.classes.get_mut(number) {
            sums.add_classes(value.classes, volume);
        }
        if let Some(taken) = self.taken.get_mut(number) {
            *taken += Count {
                packets: value.packets,
                frames: value.frames,
                bytes: value.bytes,
            };
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
        for (&key, known) in &mut self.known {
            let counters = sum(&self.counters, known.number)?;
            known.age(&counters);
            self.read.push((key, known.number, counters));
        }
        let leaving = self.removed.iter().chain(&self.unused);
        for &(key, number) in leaving.clone() {
            let counters = sum(&self.counters, number)?;
            self.read.push((key, number, counters));
        }
        if leaving.count() > 0 {
            self.read.sort_unstable_by_key(|&(key, ..)| key);
        }
        // Counters of nothing say nothing, not even that there is an interface.
        let classes = &self.classes;
        self.read.retain(|(_, number, counters)| {
            *counters != InterfaceCounters::ZERO
                || classes[*number as usize] != InterfaceCounters::ZERO
        });
        self.make_room();
        Ok(())
    }

    /// Where more than half of all numbers are in use, interfaces lose theirs that nobody told of and
    /// that count nothing: of other namespaces, nobody says either when they are gone. Those that
    /// count again are met again.
    fn make_room(&mut self) {
        let leaving = self.removed.len() + self.unused.len();
        if self.known.len() + leaving <= self.classes.len() / 2 {
            return;
        }
        let idle = self.known.iter().filter(|(_, known)| known.is_idle());
        self.gone.extend(idle.map(|(key, _)| *key));
    }

    /// What collectors before this one had taken of what was read.
    pub(super) fn taken_before(&self, taken: &mut Vec<(InterfaceKey, Count)>) {
        let counts = self.read.iter().map(|(key, number, _)| {
            let count = self.taken_before[*number as usize];
            (*key, count)
        });
        taken.extend(counts);
    }

    /// What was read, with the classes of what has been handed over in flows until now.
    pub(super) fn samples(&self, samples: &mut Vec<InterfaceSample>) {
        for numbers in self.read.chunk_by(|(one, ..), (other, ..)| one == other) {
            let mut sum = InterfaceSample::default();
            for (key, number, counters) in numbers {
                sum.key = *key;
                sum.counters += counters;
                sum.counters += &self.classes[*number as usize];
            }
            samples.push(sum);
        }
    }

    /// Learns of interfaces that the programs have met.
    fn refresh(&mut self) -> Result<(), Error> {
        let mut met = Vec::new();
        for entry in &self.places {
            let (Layout(key), Layout(place)) = entry.map_err(map_error(name::INTERFACES))?;
            let is_new = self.known.get(&key).map(|known| known.number) != Some(place.number);
            if is_new && (place.number as usize) < self.classes.len() {
                met.push((key, place.number));
            }
        }
        for (key, number) in met {
            self.know(key, Known::new(number, false))?;
        }
        Ok(())
    }
}

/// What all CPUs have counted under a number.
fn sum(
    counters: &PerCpuArray<MapData, Layout<InterfaceCounters>>,
    number: u32,
) -> Result<InterfaceCounters, Error> {
    let values = counters.get(&number, 0);
    let mut sum = InterfaceCounters::ZERO;
    for Layout(value) in values.map_err(map_error(name::COUNTERS))?.iter() {
        sum += value;
    }
    Ok(sum.settled())
}
