//! Moving the flows out of a map that no program writes to any more.

use std::os::fd::{AsFd, OwnedFd};

use aya::maps::{HashMap, Map, MapData};
use netweir_flow::Sample;
use netweir_wire::map::{FlowCounters, FlowKey};

use crate::{
    Error,
    attach::{Layout, Object},
    error::Doing,
    sys,
};

/// Flows moved by one system call.
const BATCH_FLOWS: usize = 4096;

/// One of the two flow maps.
pub(super) struct FlowMap {
    name: &'static str,
    map: HashMap<MapData, Layout<FlowKey>, Layout<FlowCounters>>,
    /// The same map, for calls that aya does not know.
    descriptor: OwnedFd,
    keys: Vec<Layout<FlowKey>>,
    values: Vec<Layout<FlowCounters>>,
    /// Whether the kernel moves many entries with one call (Linux 5.6).
    batches: bool,
}

impl FlowMap {
    pub(super) fn new(object: &mut Object, name: &'static str) -> Result<Self, Error> {
        let Some(Map::HashMap(map)) = object.ebpf.take_map(name) else {
            return Err(Error::Missing { name });
        };
        let descriptor = map.fd().as_fd().try_clone_to_owned().doing("share a map")?;
        let map =
            HashMap::try_from(Map::HashMap(map)).map_err(|source| Error::Map { name, source })?;
        Ok(Self {
            name,
            map,
            descriptor,
            keys: Vec::new(),
            values: Vec::new(),
            batches: true,
        })
    }

    /// Moves flows one by one from now on.
    pub(super) fn move_singly(&mut self) {
        self.batches = false;
    }

    /// Moves all flows into `samples`.
    pub(super) fn drain(&mut self, samples: &mut Vec<Sample>) -> Result<(), Error> {
        if self.batches {
            self.keys.resize(BATCH_FLOWS, Layout(FlowKey::default()));
            self.values.resize(BATCH_FLOWS, Layout(FlowCounters::ZERO));
            match self.drain_batches(samples) {
                Err(error) if is_unsupported(&error) => {
                    tracing::info!("this kernel moves flows one by one, not in batches");
                    self.batches = false;
                }
                result => return result.doing("move flows out of the kernel"),
            }
        }
        self.drain_singly(samples)
    }

    fn drain_batches(&mut self, samples: &mut Vec<Sample>) -> std::io::Result<()> {
        let mut cursor = None;
        loop {
            let map = self.descriptor.as_fd();
            // SAFETY: the map was opened with these layouts as its key and value, and aya compared
            // their sizes with the kernel's.
            let batch = unsafe {
                sys::lookup_and_delete_batch(map, &mut cursor, &mut self.keys, &mut self.values)
            };
            let batch = match batch {
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    self.grow();
                    continue;
                }
                batch => batch?,
            };
            let entries = self.keys.iter().zip(&self.values).take(batch.count);
            samples.extend(entries.map(|(Layout(key), Layout(counters))| Sample {
                key: *key,
                counters: *counters,
            }));
            if batch.done {
                return Ok(());
            }
        }
    }

    /// A bucket of the map has more entries than fit into the buffers.
    fn grow(&mut self) {
        let size = self.keys.len() * 2;
        self.keys.resize(size, Layout(FlowKey::default()));
        self.values.resize(size, Layout(FlowCounters::ZERO));
    }

    fn drain_singly(&mut self, samples: &mut Vec<Sample>) -> Result<(), Error> {
        let error = |source| Error::Map {
            name: self.name,
            source,
        };
        let first = samples.len();
        for entry in &self.map {
            let (Layout(key), Layout(counters)) = entry.map_err(error)?;
            samples.push(Sample { key, counters });
        }
        for sample in samples.iter().skip(first) {
            self.map.remove(&Layout(sample.key)).map_err(error)?;
        }
        Ok(())
    }
}

fn is_unsupported(error: &std::io::Error) -> bool {
    // Kernels that do not know the command say EINVAL; those that know it but not for this kind of
    // map say 524 (ENOTSUPP, which libc does not name).
    matches!(error.raw_os_error(), Some(libc::EINVAL | 524))
}
