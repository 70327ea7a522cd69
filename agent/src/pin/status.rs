//! What is pinned, and what it has counted. Nothing is changed by looking.

use std::collections::BTreeSet;

use aya::{
    maps::{Map, MapData, PerCpuArray},
    programs::ProgramInfo,
};
use netweir_flow::Hook;
use netweir_wire::{
    map::{
        About, Carried, CarriedSums, Epoch, InterfaceCounters, InterfaceKey, InterfacePlace, Phase,
        RuleMark, RuleTable, StrayReason, TapSettings, Volume,
    },
    name, version,
};

use super::{
    Folder, Pins,
    about::{hook, keys},
};
use crate::{
    Error, Netns,
    attach::Layout,
    error::{Chain, Doing},
    memory::split_value,
    netns,
    watch::name_of,
};

/// A program that is pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its number in the running kernel.
    pub id: u32,
    /// What the kernel made of its instructions: the same for the same program.
    pub tag: u64,
}

/// What is pinned of an interface under one ABI.
#[derive(Clone, Debug)]
pub struct Status {
    /// The interface's name.
    pub interface: String,
    /// Where the pins are.
    pub pins: Pins,
    /// What is said beside them; `None` where that cannot be read, and why.
    pub about: Result<About, String>,
    /// The programs, ingress first.
    pub programs: Vec<Program>,
    /// Whether packets still come by them; `None` where that cannot be found out.
    pub is_attached: Option<bool>,
    /// Pins that somebody has removed, by which the programs were held at the interface.
    pub missing: Vec<&'static str>,
    /// The name that the interface has now, where that is another one.
    pub renamed: Option<String>,
    /// The process that uses them, where it can be seen.
    pub holder: Option<u32>,
    /// What was counted, both directions, and what was taken of it in flows; `None` where the maps are
    /// of another ABI.
    pub counters: Option<[Carried; 2]>,
    /// What could be charged to no interface, by [`StrayReason`].
    pub strays: [Volume; StrayReason::ALL.len()],
    /// The generation of the rules, and how many are in force.
    pub rules: (u32, usize),
    /// Of one that frames cross: whether tapped ones that cannot go by user space are withheld.
    pub is_closed: Option<bool>,
}

/// What is pinned, of all interfaces, the oldest ABI of each first.
///
/// # Errors
/// The directory cannot be read.
pub fn status(folder: &Folder) -> Result<Vec<Status>, Error> {
    let mut all = Vec::new();
    for interface in folder.interfaces()? {
        for pins in folder.pins(&interface)? {
            all.push(of(folder, pins));
        }
    }
    Ok(all)
}

fn of(folder: &Folder, pins: Pins) -> Status {
    let programs = pins.programs().filter_map(|name| {
        let info = ProgramInfo::from_pin(pins.path_of(name)).ok()?;
        let (id, tag) = (info.id(), info.tag());
        Some(Program { name, id, tag })
    });
    let mut status = Status {
        interface: pins.interface().to_owned(),
        about: pins.about().map_err(|error| Chain(&error).to_string()),
        programs: programs.collect(),
        is_attached: None,
        missing: Vec::new(),
        renamed: None,
        holder: folder.holder(pins.interface()),
        counters: None,
        strays: Default::default(),
        rules: (0, 0),
        is_closed: None,
        pins,
    };
    let Ok(about) = status.about else {
        return status;
    };
    let netns = netns_of(&about);
    status.is_attached = status.pins.is_hanging(&about, netns.as_ref());
    status.missing = status.pins.missing(&about);
    if status.is_attached == Some(true) {
        let name = netns.and_then(|netns| netns.enter(|| name_of(about.ifindex)).ok()?);
        status.renamed = name.filter(|name| *name != status.interface);
    }
    if about.abi != version::ABI || about.phase == Phase::Making as u32 {
        return status;
    }
    status.is_closed = is_closed(&status.pins, &about);
    let counted = counted(&status.pins, &about);
    match counted.and_then(|counted| Ok((counted, rules(&status.pins)?))) {
        Ok(((counters, strays), rules)) => {
            status.counters = Some(counters);
            status.strays = strays;
            status.rules = rules;
        }
        Err(error) => {
            tracing::warn!(interface = status.interface, error = %Chain(&error), "cannot be read");
        }
    }
    status
}

fn netns_of(about: &About) -> Option<Netns> {
    let own = Netns::current().ok()?;
    if own.inode() == about.netns {
        return Some(own);
    }
    netns::find(about.netns)
}

/// Whether it is closed, where frames cross it and that can be read.
fn is_closed(pins: &Pins, about: &About) -> Option<bool> {
    if hook(about) != Hook::Inline {
        return None;
    }
    let bytes = pins.first(name::TAP_SLOTS).ok()?;
    let (settings, _) = split_value::<TapSettings>(&bytes)?;
    Some(settings.closed != 0)
}

type Counted = ([Carried; 2], [Volume; StrayReason::ALL.len()]);

fn counted(pins: &Pins, about: &About) -> Result<Counted, Error> {
    let epoch: Epoch = pins.first_as(name::EPOCH)?;
    let side = (epoch.taken >> 32) as u32 & 1;
    let places = pins.raw(name::INTERFACES)?;
    let carried = pins.raw(name::CARRIED)?;
    let counters = pins.per_cpu::<InterfaceCounters>(name::COUNTERS)?;
    let mut sums = [Carried::default(); 2];
    for (sum, key) in sums.iter_mut().zip(keys(about)) {
        let bytes = places.get(&key_bytes(key)).doing("read a kernel map")?;
        let Some(place) = bytes.and_then(|bytes| Some(split_value::<InterfacePlace>(&bytes)?.0))
        else {
            continue;
        };
        let kept = side * (carried.entries() / 2) + place.number;
        let bytes = carried
            .get(&kept.to_ne_bytes())
            .doing("read a kernel map")?;
        if let Some((kept, [])) = split_value::<Carried>(&bytes.unwrap_or_default()) {
            *sum = kept;
        }
        let mut all = InterfaceCounters::ZERO;
        for Layout(value) in per_cpu(&counters, (name::COUNTERS, place.number))? {
            all += &value;
        }
        sum.counters += &all.settled();
    }
    let mut strays = pins.first_as::<CarriedSums>(name::CARRIED_SUMS)?.strays;
    let map = pins.per_cpu::<Volume>(name::STRAY)?;
    for reason in StrayReason::ALL {
        for Layout(value) in per_cpu(&map, (name::STRAY, reason as u32))? {
            strays[reason as usize] += value;
        }
    }
    Ok((sums, strays))
}

fn key_bytes(key: InterfaceKey) -> Vec<u8> {
    let words = [key.netns, key.ifindex, key.direction];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn per_cpu<T: netweir_wire::map::Pod>(
    map: &PerCpuArray<MapData, Layout<T>>,
    (name, place): (&'static str, u32),
) -> Result<Vec<Layout<T>>, Error> {
    let values = map.get(&place, 0);
    let values = values.map_err(|source| Error::Map { name, source })?;
    Ok(values.iter().copied().collect())
}

/// Generation and number of the rules in force.
fn rules(pins: &Pins) -> Result<(u32, usize), Error> {
    let epoch: Epoch = pins.first_as(name::EPOCH)?;
    if epoch.generation == 0 {
        return Ok((0, 0));
    }
    let tables = pins.raw(name::RULES)?;
    let place = epoch.generation & 1;
    let bytes = tables
        .get(&place.to_ne_bytes())
        .doing("read a kernel map")?;
    let bytes = bytes.unwrap_or_default();
    let Some((table, [])) = split_value::<RuleTable>(&bytes) else {
        return Err(Error::Broken);
    };
    let marks = table.rows.iter().map(|row| RuleMark(row.mark));
    let numbers: BTreeSet<u16> = marks.map(RuleMark::number).collect();
    Ok((
        epoch.generation,
        numbers.len() - usize::from(numbers.contains(&0)),
    ))
}

impl Pins {
    /// A map that is divided among CPUs.
    fn per_cpu<T: netweir_wire::map::Pod>(
        &self,
        name: &'static str,
    ) -> Result<PerCpuArray<MapData, Layout<T>>, Error> {
        let map = MapData::from_fd(self.open(name)?).and_then(Map::from_map_data);
        let map = map.and_then(PerCpuArray::try_from);
        map.map_err(|source| Error::Map { name, source })
    }
}
