//! Reading what programs of an older ABI have counted, when none of them runs any more.

use std::{collections::HashMap, io::ErrorKind};

use aya::maps::{Map, MapData, MapError, PerCpuArray};
use netweir_wire::{
    map::{
        About, Carried, CarriedSums, Epoch, FlowCounters, FlowKey, FlowValue, HeadCounters,
        InterfaceCounters, InterfaceKey, InterfacePlace, Pod, QuicBackendKey, QuicCounters,
        StrayReason, Volume,
        old::{Older, V3},
    },
    name,
};

use super::{Pins, folder::pin_error};
use crate::{
    Error,
    attach::Layout,
    collect::{Cache, EntryMap, Ring},
    error::Doing,
    memory::split_value,
};

/// All that was counted.
#[derive(Default)]
pub(super) struct Frozen {
    /// What nobody has taken, by flow and by the rule that decided, which stands in the key as it does in
    /// the flow maps.
    pub(super) flows: HashMap<FlowKey, Flow>,
    /// What nobody has taken of what connection IDs name.
    pub(super) backends: HashMap<QuicBackendKey, Volume>,
    /// Interfaces with all that they had counted, and what was taken of it.
    pub(super) interfaces: Vec<(InterfaceKey, InterfacePlace, Carried)>,
    /// All else.
    pub(super) sums: CarriedSums,
}

/// What was counted of a flow.
pub(super) struct Flow {
    counters: FlowCounters,
    classes: [u8; 3],
    rule: u16,
}

impl Flow {
    /// As the programs would have counted it, under a number of counters.
    pub(super) fn to_value(&self, number: u32, tick_ns: u64) -> FlowValue {
        let counters = &self.counters;
        let lasted_ns = counters.last_ns.saturating_sub(counters.first_ns);
        FlowValue {
            packets: counters.packets,
            frames: counters.frames,
            bytes: counters.bytes,
            first_ns: counters.first_ns,
            first_tick: 0,
            last_tick: (lasted_ns / tick_ns.max(1)).min(i32::MAX as u64) as u32,
            tcp_flags: counters.tcp_flags,
            traffic_class: counters.traffic_class,
            marks: counters.marks,
            source_mac: counters.source_mac,
            destination_mac: counters.destination_mac,
            classes: self.classes,
            reserved: 0,
            interface: number as u16,
            rule: self.rule,
        }
    }
}

/// Whether what was counted under an ABI can be read.
pub(super) const fn is_known(abi: u32) -> bool {
    abi == V3::ABI
}

/// The place of an interface as the maps of an older ABI have it.
pub(super) fn places(pins: &Pins) -> Result<Vec<(InterfaceKey, InterfacePlace)>, Error> {
    let mut places = Vec::new();
    let mut map: EntryMap<InterfaceKey, <V3 as Older>::Place> = entries(pins, name::INTERFACES)?;
    map.read(&mut |key, place| places.push((*key, (*place).into())))?;
    Ok(places)
}

/// Reads everything; nothing is changed.
pub(super) fn read(pins: &Pins, about: &About) -> Result<Frozen, Error> {
    if is_known(pins.abi()) {
        return Reader::<V3>::new(pins, about)?.read();
    }
    Err(Error::UnknownPins {
        interface: pins.interface().to_owned(),
        abi: pins.abi(),
        wanted: netweir_wire::version::ABI,
    })
}

struct Reader<'a, O> {
    pins: &'a Pins,
    about: &'a About,
    epoch: Epoch,
    frozen: Frozen,
    version: std::marker::PhantomData<O>,
}

impl<'a, O: Older> Reader<'a, O> {
    fn new(pins: &'a Pins, about: &'a About) -> Result<Self, Error> {
        Ok(Self {
            pins,
            about,
            epoch: pins.first_as::<O::Epoch>(name::EPOCH)?.into(),
            frozen: Frozen::default(),
            version: std::marker::PhantomData,
        })
    }

    fn read(mut self) -> Result<Frozen, Error> {
        let taken = (self.epoch.taken >> 32) as u32;
        let passed = self.epoch.current.wrapping_sub(taken).min(1);
        for epoch in [self.epoch.current.wrapping_sub(passed), self.epoch.current] {
            self.read_epoch(epoch)?;
            if passed == 0 {
                break;
            }
        }
        self.read_ring()?;
        self.read_moved(taken)?;
        self.read_interfaces(taken)?;
        self.read_sums()?;
        Ok(self.frozen)
    }

    /// Reads what was counted in one epoch.
    fn read_epoch(&mut self, epoch: u32) -> Result<(), Error> {
        let is_even = epoch & 1 == 0;
        let [flows, backends] = if is_even {
            [name::FLOWS_EVEN, name::BACKENDS_EVEN]
        } else {
            [name::FLOWS_ODD, name::BACKENDS_ODD]
        };
        let maps = (
            self.pins.open(name::CACHE)?,
            self.pins.open(name::CACHE_STATE)?,
        );
        let sizes = (self.about.cache_flows, self.about.cache_cpus);
        let mut cache = Cache::open(maps, sizes)?;
        cache.read(epoch, &mut |entry: &O::Entry| {
            let (key, value) = (*entry).into();
            self.add_flow(key, &value);
        })?;
        let mut map: EntryMap<FlowKey, O::Value> = entries(self.pins, flows)?;
        map.read(&mut |key, value| self.add_flow(*key, &(*value).into()))?;
        let mut map: EntryMap<QuicBackendKey, Volume> = entries(self.pins, backends)?;
        map.read(&mut |key, volume| self.add_backend(*key, *volume))
    }

    /// Reads what found no room in either.
    fn read_ring(&mut self) -> Result<(), Error> {
        if self.about.ring_bytes == 0 {
            return Ok(());
        }
        let mut ring = Ring::new(self.pins.open(name::OVERFLOW)?, self.about.ring_bytes)?;
        ring.pass_over(self.epoch.taken as u32);
        ring.close();
        ring.read(|entry| {
            if let Some((entry, [])) = split_value::<O::Entry>(entry) {
                let (key, value) = entry.into();
                self.add_flow(key, &value);
            }
        });
        Ok(())
    }

    /// Reads what these had taken over themselves, if nobody has taken it since.
    fn read_moved(&mut self, taken: u32) -> Result<(), Error> {
        if taken != 0 || !self.pins.path_of(name::MOVED).exists() {
            return Ok(());
        }
        let mut map: EntryMap<FlowKey, O::Value> = entries(self.pins, name::MOVED)?;
        map.read(&mut |key, value| self.add_flow(*key, &(*value).into()))?;
        let mut map = entries(self.pins, name::MOVED_BACKENDS)?;
        map.read(&mut |key, volume| self.add_backend(*key, *volume))
    }

    fn read_interfaces(&mut self, taken: u32) -> Result<(), Error> {
        let counters: PerCpuArray<MapData, Layout<O::Counters>> = map(self.pins, name::COUNTERS)?;
        let carried = if self.pins.path_of(name::CARRIED).exists() {
            Some(self.pins.raw(name::CARRIED)?)
        } else {
            None
        };
        let mut places = Vec::new();
        let mut map: EntryMap<InterfaceKey, O::Place> = entries(self.pins, name::INTERFACES)?;
        map.read(&mut |key, place| places.push((*key, (*place).into())))?;
        for (key, place) in places {
            let mut sum = InterfaceCounters::ZERO;
            let values = counters.get(&place.number, 0);
            for Layout(value) in values.map_err(map_error(name::COUNTERS))?.iter() {
                sum += &(*value).into();
            }
            let mut all = Carried {
                counters: sum.settled(),
                ..Carried::default()
            };
            if let Some(carried) = &carried {
                let number = (taken & 1) * (carried.entries() / 2) + place.number;
                let found = carried.get(&number.to_ne_bytes());
                let bytes = found.doing("read a kernel map")?.unwrap_or_default();
                let Some((before, [])) = split_value::<O::Carried>(&bytes) else {
                    let path = self.pins.path_of(name::CARRIED);
                    return Err(pin_error(&path, ErrorKind::InvalidData.into()));
                };
                let before: Carried = before.into();
                all.counters += &before.counters;
                all.taken = before.taken;
            }
            self.frozen.interfaces.push((key, place, all));
        }
        Ok(())
    }

    fn read_sums(&mut self) -> Result<(), Error> {
        let mut sums = CarriedSums::default();
        if self.pins.path_of(name::CARRIED_SUMS).exists() {
            sums = self.pins.first_as(name::CARRIED_SUMS)?;
        }
        let strays: PerCpuArray<MapData, Layout<Volume>> = map(self.pins, name::STRAY)?;
        for reason in StrayReason::ALL {
            let values = strays.get(&(reason as u32), 0);
            for Layout(value) in values.map_err(map_error(name::STRAY))?.iter() {
                sums.strays[reason as usize] += *value;
            }
        }
        let quic: PerCpuArray<MapData, Layout<QuicCounters>> = map(self.pins, name::QUIC_COUNTERS)?;
        let values = quic.get(&0, 0);
        for Layout(value) in values.map_err(map_error(name::QUIC_COUNTERS))?.iter() {
            sums.quic += value;
        }
        if self.pins.path_of(name::HEAD_COUNTERS).exists() {
            let heads: PerCpuArray<MapData, Layout<HeadCounters>> =
                map(self.pins, name::HEAD_COUNTERS)?;
            let values = heads.get(&0, 0);
            for Layout(value) in values.map_err(map_error(name::HEAD_COUNTERS))?.iter() {
                sums.heads += value;
            }
        }
        self.frozen.sums = sums;
        Ok(())
    }

    fn add_flow(&mut self, key: FlowKey, value: &FlowValue) {
        let [low, high] = value.rule.to_ne_bytes();
        let key = FlowKey {
            reserved: [low, high, 0, 0],
            ..key
        };
        let counters = value.counters(self.about.tick_ns);
        let flow = self.frozen.flows.entry(key).or_insert_with(|| Flow {
            counters: FlowCounters {
                first_ns: counters.first_ns,
                source_mac: counters.source_mac,
                destination_mac: counters.destination_mac,
                ..FlowCounters::ZERO
            },
            classes: value.classes,
            rule: value.rule,
        });
        let is_last = counters.last_ns >= flow.counters.last_ns;
        let traffic_class = flow.counters.traffic_class;
        if counters.first_ns < flow.counters.first_ns {
            flow.counters.source_mac = counters.source_mac;
            flow.counters.destination_mac = counters.destination_mac;
        }
        flow.counters.merge(&counters);
        if !is_last {
            flow.counters.traffic_class = traffic_class;
        }
    }

    fn add_backend(&mut self, key: QuicBackendKey, volume: Volume) {
        *self.frozen.backends.entry(key).or_default() += volume;
    }
}

fn entries<K: Pod + Default, V: Pod + Default>(
    pins: &Pins,
    name: &'static str,
) -> Result<EntryMap<K, V>, Error> {
    EntryMap::open(name, pins.open(name)?)
}

fn map<M: TryFrom<Map, Error = MapError>>(pins: &Pins, name: &'static str) -> Result<M, Error> {
    let map = MapData::from_fd(pins.open(name)?).and_then(Map::from_map_data);
    map.and_then(M::try_from).map_err(map_error(name))
}

fn map_error(name: &'static str) -> impl Fn(MapError) -> Error {
    move |source| Error::Map { name, source }
}
