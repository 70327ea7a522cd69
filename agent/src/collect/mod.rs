//! Collecting what the kernel counted.
//!
//! Programs write to one of two flow maps; [`Collector::drain`] lets them change to the other, waits
//! until none can still be writing to the first, and moves its entries out. So a drain costs what
//! changed since the last one, and no count is lost between reading and removing.

mod barrier;
mod flows;

use aya::maps::{Array, MapData, PerCpuArray, PerCpuHashMap};
use netweir_flow::{Batch, InterfaceSample};
use netweir_wire::{
    map::{InterfaceCounters, InterfaceKey, PortClasses, StrayReason, Volume},
    name,
};

use crate::{
    Error,
    attach::{Layout, Object},
};
use barrier::Barrier;
use flows::FlowMap;

/// The maps of one loaded object.
pub struct Collector {
    flows: [FlowMap; 2],
    epoch: Array<MapData, u32>,
    current: u32,
    interfaces: PerCpuHashMap<MapData, Layout<InterfaceKey>, Layout<InterfaceCounters>>,
    ports: Array<MapData, Layout<PortClasses>>,
    opened: PerCpuArray<MapData, u64>,
    drained_opened: u64,
    strays: PerCpuArray<MapData, Layout<Volume>>,
    /// Interfaces that are gone; their entries are removed once they have been read.
    gone: Vec<InterfaceKey>,
    barrier: Barrier,
}

macro_rules! take {
    ($object:expr, $name:expr) => {{
        let map = $object
            .ebpf
            .take_map($name)
            .ok_or(Error::Missing { name: $name })?;
        map.try_into().map_err(|source| Error::Map {
            name: $name,
            source,
        })?
    }};
}

impl Collector {
    /// Takes the maps out of a loaded object.
    pub fn new(object: &mut Object) -> Result<Self, Error> {
        Ok(Self {
            flows: [
                FlowMap::new(object, name::FLOWS_EVEN)?,
                FlowMap::new(object, name::FLOWS_ODD)?,
            ],
            epoch: take!(object, name::EPOCH),
            current: 0,
            interfaces: take!(object, name::INTERFACES),
            ports: take!(object, name::PORTS),
            opened: take!(object, name::OPENED),
            drained_opened: 0,
            strays: take!(object, name::STRAY),
            gone: Vec::new(),
            barrier: Barrier::new()?,
        })
    }

    /// Says which ports belong to which application.
    pub fn set_ports(&mut self, ports: &PortClasses) -> Result<(), Error> {
        let error = |source| Error::Map {
            name: name::PORTS,
            source,
        };
        self.ports.set(0, Layout(*ports), 0).map_err(error)
    }

    /// Moves flows one by one from now on, as a kernel without batches needs it (before Linux 5.6).
    /// Found out by itself where that is so.
    pub fn move_singly(&mut self) {
        self.flows.iter_mut().for_each(FlowMap::move_singly);
    }

    /// Makes an entry for an interface, so that it is counted from its first packet.
    pub fn add_interface(&mut self, key: InterfaceKey) -> Result<(), Error> {
        /// Insert only where there is none: `BPF_NOEXIST`.
        const NEW: u64 = 1;
        self.gone.retain(|gone| *gone != key);
        let cpus = aya::util::nr_cpus().unwrap_or(1);
        let zero = vec![Layout(InterfaceCounters::ZERO); cpus].try_into();
        let zero = zero.map_err(|source| Error::System {
            action: "count the CPUs",
            source,
        })?;
        match self.interfaces.insert(Layout(key), zero, NEW) {
            Ok(()) => Ok(()),
            Err(source) => match errno(&source) {
                Some(libc::EEXIST) => Ok(()),
                Some(libc::E2BIG) => Err(Error::InterfaceMapFull),
                _ => Err(Error::Map {
                    name: name::INTERFACES,
                    source,
                }),
            },
        }
    }

    /// Lets an interface's entry go once it has been read a last time.
    pub fn remove_interface(&mut self, key: InterfaceKey) {
        self.gone.push(key);
    }

    /// Whether the kernel has opened flows since the last drain.
    pub fn has_news(&self) -> bool {
        self.opened()
            .is_ok_and(|opened| opened != self.drained_opened)
    }

    fn opened(&self) -> Result<u64, Error> {
        let error = |source| Error::Map {
            name: name::OPENED,
            source,
        };
        Ok(self.opened.get(&0, 0).map_err(error)?.iter().sum())
    }

    /// Adds to `batch` what was counted since the last drain.
    pub fn drain(&mut self, batch: &mut Batch) -> Result<(), Error> {
        self.drained_opened = self.opened()?;
        let full = (self.current & 1) as usize;
        self.current = self.current.wrapping_add(1);
        let error = |source| Error::Map {
            name: name::EPOCH,
            source,
        };
        self.epoch.set(0, self.current, 0).map_err(error)?;
        self.barrier.wait()?;
        let flow_map = self
            .flows
            .get_mut(full)
            .ok_or(Error::Missing { name: name::EPOCH })?;
        flow_map.drain(&mut batch.flows)?;
        self.read_interfaces(batch)?;
        self.read_strays(batch)
    }

    fn read_interfaces(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let error = |source| Error::Map {
            name: name::INTERFACES,
            source,
        };
        for entry in &self.interfaces {
            let (Layout(key), values) = entry.map_err(error)?;
            let mut counters = InterfaceCounters::ZERO;
            for Layout(value) in values.iter() {
                counters += value;
            }
            // An entry that nothing was counted in says nothing, not even that there is an interface.
            if counters != InterfaceCounters::ZERO {
                batch.interfaces.push(InterfaceSample { key, counters });
            }
        }
        for key in self.gone.drain(..) {
            if let Err(error) = self.interfaces.remove(&Layout(key)) {
                tracing::debug!(?key, %error, "an interface that is gone was in no map");
            }
        }
        Ok(())
    }

    fn read_strays(&self, batch: &mut Batch) -> Result<(), Error> {
        let error = |source| Error::Map {
            name: name::STRAY,
            source,
        };
        for reason in StrayReason::ALL {
            let values = self.strays.get(&(reason as u32), 0).map_err(error)?;
            for Layout(value) in values.iter() {
                batch.strays[reason as usize] += *value;
            }
        }
        Ok(())
    }
}

fn errno(error: &aya::maps::MapError) -> Option<i32> {
    match error {
        aya::maps::MapError::SyscallError(error) => error.io_error.raw_os_error(),
        _ => None,
    }
}
