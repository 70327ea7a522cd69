//! The pins of one interface and one ABI.

use std::{
    fs,
    io::ErrorKind,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use netweir_flow::{Hook, InterfaceId};
use netweir_wire::{
    map::{
        About, Carried, CarriedSums, Epoch, FlowKey, FlowValue, Phase, Pod, QuicBackendKey, Volume,
    },
    name,
};

use super::{
    filter,
    folder::{pin_error, remove_directory},
    hook,
};
use crate::{
    Error, Netns,
    attach::INLINE_MAP_NAMES,
    collect::{Collector, Constants, Inline, Kept, MAP_NAMES, Maps, Moved, RawMap},
    error::Doing,
    memory::{bytes_of, split_value},
    sys::{self, MapKind, NewMap},
};

/// The key of the first value of an array.
const FIRST: [u8; 4] = [0; 4];

/// Names of the links, ingress first.
pub(super) const LINKS: [&str; 2] = ["link_in", "link_out"];

/// Names of the links of the inline path: that of the interface, and those of the tracepoints.
pub(super) const INLINE_LINKS: [&str; 3] = [LINKS[0], "link_sent", "link_refused"];

/// Programs that may be pinned.
const PROGRAMS: [&str; 9] = [
    name::XDP,
    name::XDP_ASKING,
    name::XDP_LINEAR,
    name::INLINE,
    name::INLINE_LINEAR,
    name::TC_INGRESS,
    name::TC_EGRESS,
    name::TC_INGRESS_IP,
    name::TC_EGRESS_IP,
];

/// Maps beside those of the programs, but for [`name::ABOUT`].
const OURS: [&str; 4] = [
    name::CARRIED,
    name::CARRIED_SUMS,
    name::MOVED,
    name::MOVED_BACKENDS,
];

/// The pins of one interface and one ABI.
#[derive(Clone, Debug)]
pub struct Pins {
    path: PathBuf,
    interface: String,
    abi: u32,
}

impl Pins {
    pub(super) fn new(path: PathBuf, interface: &str, abi: u32) -> Self {
        Self {
            path,
            interface: interface.to_owned(),
            abi,
        }
    }

    /// The ABI, as the directory says it.
    pub const fn abi(&self) -> u32 {
        self.abi
    }

    /// The interface's name.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the pin of a name is.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where the links are that hold programs at a hook, ingress first.
    pub fn links(&self, hook: Hook) -> Vec<PathBuf> {
        let names: &[&str] = match hook {
            Hook::Inline => &INLINE_LINKS,
            _ => &LINKS,
        };
        names.iter().map(|name| self.path_of(name)).collect()
    }

    /// Programs that are pinned, ingress first, with their names.
    pub fn programs(&self) -> impl Iterator<Item = &'static str> {
        PROGRAMS
            .into_iter()
            .filter(|name| self.path_of(name).exists())
    }

    /// Maps that are pinned.
    pub fn maps(&self) -> impl Iterator<Item = &'static str> {
        let all = [name::ABOUT].into_iter().chain(MAP_NAMES).chain(OURS);
        all.filter(|name| self.path_of(name).exists())
    }

    /// Pins something.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn pin(&self, name: &str, object: BorrowedFd<'_>) -> Result<(), Error> {
        let path = self.path_of(name);
        sys::pin(object, &path).map_err(|error| pin_error(&path, error))
    }

    /// Opens what is pinned.
    ///
    /// # Errors
    /// There is no such pin.
    pub fn open(&self, name: &str) -> Result<OwnedFd, Error> {
        let path = self.path_of(name);
        sys::get_pinned(&path).map_err(|error| pin_error(&path, error))
    }

    /// Makes and pins a map of user space: an array of values with so many bytes.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn make_array(
        &self,
        name: &'static str,
        value_bytes: usize,
        entries: u32,
    ) -> Result<OwnedFd, Error> {
        self.make(&NewMap {
            name,
            kind: MapKind::Array,
            value_bytes: value_bytes as u32,
            entries,
        })
    }

    fn make(&self, map: &NewMap<'_>) -> Result<OwnedFd, Error> {
        let made = sys::create_map(map).doing("create a kernel map")?;
        self.pin(map.name, made.as_fd())?;
        Ok(made)
    }

    /// Makes and pins what is kept beside the maps of this ABI, with so many numbers of counters.
    pub(super) fn make_kept(&self, numbers: u32) -> Result<(), Error> {
        self.make_array(name::CARRIED, size_of::<Carried>(), 2 * numbers)?;
        self.make_array(name::CARRIED_SUMS, size_of::<CarriedSums>(), 1)?;
        Ok(())
    }

    /// Makes and pins the maps of what was counted before, with room for so many flows and backends.
    pub(super) fn make_moved(&self, flows: usize, backends: usize) -> Result<(), Error> {
        fn hash<K, V>(name: &'static str, entries: usize) -> NewMap<'static> {
            NewMap {
                name,
                kind: MapKind::Hash(size_of::<K>() as u32),
                value_bytes: size_of::<V>() as u32,
                entries: entries.max(1) as u32,
            }
        }
        self.make(&hash::<FlowKey, FlowValue>(name::MOVED, flows))?;
        let backends = hash::<QuicBackendKey, Volume>(name::MOVED_BACKENDS, backends);
        self.make(&backends).map(drop)
    }

    /// What is pinned. Fields that its version did not know are 0.
    ///
    /// # Errors
    /// It does not say.
    pub fn about(&self) -> Result<About, Error> {
        let mut bytes = self.first(name::ABOUT)?;
        bytes.resize(bytes.len().max(size_of::<About>()), 0);
        let about = split_value::<About>(&bytes).map(|(about, _)| about);
        about.ok_or_else(|| pin_error(&self.path, ErrorKind::InvalidData.into()))
    }

    /// Says how far it has come; all else that is said, by whichever version, stays.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_phase(&self, phase: Phase) -> Result<(), Error> {
        const PLACE: usize = std::mem::offset_of!(About, phase);
        let mut bytes = self.first(name::ABOUT)?;
        if let Some(place) = bytes.get_mut(PLACE..PLACE + 4) {
            place.copy_from_slice(&(phase as u32).to_ne_bytes());
        }
        let map = self.raw(name::ABOUT)?;
        map.put(&FIRST, &bytes).doing("write a kernel map")
    }

    /// Says what is pinned.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_about(&self, about: &About) -> Result<(), Error> {
        self.set_first(name::ABOUT, about)
    }

    /// Writes the first value of an array.
    ///
    /// # Errors
    /// It cannot be written, or its values have another size.
    pub fn set_first<T: Pod>(&self, name: &str, value: &T) -> Result<(), Error> {
        self.set(name, 0, value)
    }

    /// Writes a value of an array.
    ///
    /// # Errors
    /// As of [`Self::set_first`].
    pub fn set<T: Pod>(&self, name: &str, place: u32, value: &T) -> Result<(), Error> {
        self.put(name, &place.to_ne_bytes(), value)
    }

    /// Puts a value into a map.
    ///
    /// # Errors
    /// It cannot be written, or its values have another size.
    pub fn put<T: Pod>(&self, name: &str, key: &[u8], value: &T) -> Result<(), Error> {
        let map = self.raw(name)?;
        map.put(key, bytes_of(value)).doing("write a kernel map")
    }

    /// A map, as bytes.
    pub(super) fn raw(&self, name: &str) -> Result<RawMap, Error> {
        RawMap::new(self.open(name)?)
    }

    /// The bytes of the first value of an array.
    pub(super) fn first(&self, name: &str) -> Result<Vec<u8>, Error> {
        let value = self.raw(name)?.get(&FIRST).doing("read a kernel map")?;
        value.ok_or_else(|| pin_error(&self.path_of(name), ErrorKind::InvalidData.into()))
    }

    /// The first value of an array.
    pub(super) fn first_as<T: Pod>(&self, name: &str) -> Result<T, Error> {
        let bytes = self.first(name)?;
        match split_value(&bytes) {
            Some((value, [])) => Ok(value),
            _ => Err(pin_error(
                &self.path_of(name),
                ErrorKind::InvalidData.into(),
            )),
        }
    }

    /// Pins that are missing of those that hold the programs at the interface.
    pub(super) fn missing(&self, about: &About) -> Vec<&'static str> {
        let held: &[&str] = match hook(about) {
            Hook::Tcx => &LINKS,
            Hook::XdpNative | Hook::XdpGeneric => &LINKS[..1],
            Hook::Inline => &INLINE_LINKS,
            _ => &[],
        };
        let is_missing = |link: &&str| !self.path_of(link).exists();
        held.iter().copied().filter(is_missing).collect()
    }

    /// Whether packets of the interface come by the programs, seen from its namespace; `None` where that
    /// cannot be found out. One that is gone may have left its index to another one.
    pub(super) fn is_hanging(&self, about: &About, netns: Option<&Netns>) -> Option<bool> {
        if hook(about) != Hook::Clsact {
            let mut links = LINKS.into_iter().filter(|link| self.path_of(link).exists());
            let first = self.hangs_by(links.next()?, about)?;
            return Some(first && links.all(|link| self.hangs_by(link, about) == Some(true)));
        }
        let ids = self
            .programs()
            .filter_map(|name| filter::id(&self.path_of(name)));
        let ids = ids.collect::<Vec<_>>().try_into().ok()?;
        let found = netns?.enter(|| filter::are_there(about.ifindex, ids));
        found.ok()?.ok()
    }

    fn hangs_by(&self, link: &str, about: &About) -> Option<bool> {
        let link = self.open(link).ok()?;
        let ifindex = sys::interface_of_link(link.as_fd()).ok()?;
        Some(ifindex == about.ifindex)
    }

    /// What collects from the maps, which have to be of this ABI; whoever calls holds the claim.
    pub(super) fn collector(&self, about: &About) -> Result<Collector, Error> {
        let maps = Maps::open(constants(about), |name| self.open(name))?;
        let epoch: Epoch = self.first_as(name::EPOCH)?;
        let paths = [name::MOVED, name::MOVED_BACKENDS].map(|name| self.path_of(name));
        let is_taken = epoch.taken >> 32 != 0;
        if is_taken {
            paths.iter().for_each(|path| {
                let _gone = fs::remove_file(path);
            });
        }
        let moved = if paths.iter().all(|path| path.exists()) {
            let flows = self.open(name::MOVED)?;
            let backends = self.open(name::MOVED_BACKENDS)?;
            Some(Moved::new(flows, backends, paths.to_vec())?)
        } else {
            None
        };
        let sums = self.first_as(name::CARRIED_SUMS)?;
        let kept = Kept::new(self.open(name::CARRIED)?, sums, moved)?;
        let collector = Collector::open_kept(maps, Some(kept))?;
        if hook(about) != Hook::Inline {
            return Ok(collector);
        }
        let id = InterfaceId {
            netns: about.netns,
            ifindex: about.ifindex,
        };
        let (counters, slots) = (
            self.open(name::INLINE_COUNTERS)?,
            self.open(name::TAP_SLOTS)?,
        );
        let inline = Inline::new((id, about.other), counters, slots)?;
        Ok(collector.with_inline(inline))
    }

    /// Removes all pins that netweir made, the links first: what is left is said, and stays.
    pub(super) fn remove(&self) -> Result<(), Error> {
        if self.path_of(name::ABOUT).exists() {
            // Whoever finds a part of it is to go on with this.
            self.set_phase(Phase::Making)?;
        }
        let links = LINKS.into_iter().chain(INLINE_LINKS);
        let names = links
            .chain(PROGRAMS)
            .chain(MAP_NAMES)
            .chain(INLINE_MAP_NAMES);
        for name in names.chain(OURS).chain([name::ABOUT]) {
            let path = self.path_of(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(pin_error(&path, error));
                }
                _ => {}
            }
        }
        remove_directory(&self.path)
    }
}

/// What a collector needs to know of the maps.
const fn constants(about: &About) -> Constants {
    Constants {
        cache_flows: about.cache_flows,
        cache_cpus: about.cache_cpus,
        ring_bytes: about.ring_bytes,
        quic_bytes: about.quic_bytes,
        heads_bytes: about.heads_bytes,
        tick_ns: about.tick_ns,
    }
}
