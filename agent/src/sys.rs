//! The system calls that no library offers: batches and barriers of BPF maps, and pins.
//!
//! The attribute structures follow `union bpf_attr` of the kernel's `linux/bpf.h`.

mod link;

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::process::{Resource, Rlimit, setrlimit};

pub(crate) use link::{detach_link, interface_of_link, update_link};

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_DELETE_ELEM: libc::c_long = 3;
const BPF_MAP_GET_NEXT_KEY: libc::c_long = 4;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
const BPF_MAP_LOOKUP_AND_DELETE_BATCH: libc::c_long = 25;

const BPF_MAP_TYPE_HASH: u32 = 1;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_MAP_TYPE_PERCPU_ARRAY: u32 = 6;
const BPF_MAP_TYPE_ARRAY_OF_MAPS: u32 = 12;
const BPF_MAP_TYPE_DEVMAP: u32 = 14;
const BPF_MAP_TYPE_XSKMAP: u32 = 17;
const BPF_F_MMAPABLE: u32 = 1 << 10;

#[repr(C)]
struct CreateAttribute {
    map_type: u32,
    key_bytes: u32,
    value_bytes: u32,
    max_entries: u32,
    flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; 16],
}

#[repr(C)]
struct ElementAttribute {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct BatchAttribute {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

#[repr(C)]
struct PinAttribute {
    path: u64,
    object: u32,
    flags: u32,
}

/// Calls `bpf(2)`.
///
/// # Safety
/// The pointers inside `attribute` must be valid for what `command` does with them.
unsafe fn bpf<T>(command: libc::c_long, attribute: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the attribute is valid for its own size; the caller answers for what it points to.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attribute),
            size_of::<T>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn number(map: BorrowedFd<'_>) -> u32 {
    map.as_raw_fd().unsigned_abs()
}

/// A kind of map.
pub(crate) enum MapKind<'a> {
    Array,
    /// An array that can be mapped into memory.
    MappableArray,
    /// An array of which every CPU has its own.
    PerCpuArray,
    /// Interfaces that XDP redirects to.
    Devices,
    /// Sockets that XDP redirects to.
    Sockets,
    /// An array of maps that are like this one.
    ArrayOfMaps(BorrowedFd<'a>),
    /// A hash map whose keys have so many bytes.
    Hash(u32),
}

/// A map that is to be created.
pub(crate) struct NewMap<'a> {
    /// At most 15 letters, digits and underscores.
    pub(crate) name: &'static str,
    pub(crate) kind: MapKind<'a>,
    pub(crate) value_bytes: u32,
    pub(crate) entries: u32,
}

/// Creates a map.
pub(crate) fn create_map(map: &NewMap<'_>) -> io::Result<OwnedFd> {
    let mut key_bytes = 4;
    let (map_type, flags, inner) = match map.kind {
        MapKind::Hash(bytes) => {
            key_bytes = bytes;
            (BPF_MAP_TYPE_HASH, 0, None)
        }
        MapKind::Array => (BPF_MAP_TYPE_ARRAY, 0, None),
        MapKind::MappableArray => (BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, None),
        MapKind::PerCpuArray => (BPF_MAP_TYPE_PERCPU_ARRAY, 0, None),
        MapKind::Devices => (BPF_MAP_TYPE_DEVMAP, 0, None),
        MapKind::Sockets => (BPF_MAP_TYPE_XSKMAP, 0, None),
        MapKind::ArrayOfMaps(inner) => (BPF_MAP_TYPE_ARRAY_OF_MAPS, 0, Some(inner)),
    };
    let mut attribute = CreateAttribute {
        map_type,
        key_bytes,
        value_bytes: map.value_bytes,
        max_entries: map.entries,
        flags,
        inner_map: inner.map_or(0, number),
        numa_node: 0,
        name: [0; 16],
    };
    for (place, byte) in attribute.name.iter_mut().zip(map.name.bytes()).take(15) {
        *place = byte;
    }
    // SAFETY: the attribute holds no pointers.
    let mut create = || unsafe { bpf(BPF_MAP_CREATE, &mut attribute) };
    let created = match create() {
        // Before Linux 5.11 maps count against what a process may lock in memory.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && lift_memory_limit() => {
            create()?
        }
        created => created?,
    };
    // SAFETY: the kernel has just opened this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(created as i32) })
}

/// Lets this process lock as much memory as it likes; says whether the kernel permits it.
fn lift_memory_limit() -> bool {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    setrlimit(Resource::Memlock, unlimited).is_ok()
}

/// Puts `inner` into the only place of the map of maps `outer`.
pub(crate) fn update_map_of_maps(outer: BorrowedFd<'_>, inner: BorrowedFd<'_>) -> io::Result<()> {
    let key = 0_u32;
    let value = number(inner);
    let mut attribute = ElementAttribute {
        map: number(outer),
        padding: 0,
        key: std::ptr::from_ref(&key) as u64,
        value: std::ptr::from_ref(&value) as u64,
        flags: 0,
    };
    // SAFETY: key and value are four bytes each, as the map was created, and outlive the call.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut attribute) }.map(drop)
}

/// Puts a number into a place of a map of devices or sockets: the index of the one, or the descriptor of
/// the other.
pub(crate) fn set_target(map: BorrowedFd<'_>, place: u32, target: u32) -> io::Result<()> {
    // SAFETY: keys and values of such maps have four bytes.
    unsafe { update(map, &place.to_ne_bytes(), &target.to_ne_bytes()) }
}

/// Empties a place of a map of sockets.
pub(crate) fn remove_target(map: BorrowedFd<'_>, place: u32) -> io::Result<()> {
    let key = place.to_ne_bytes();
    let mut attribute = element(map, &key, 0);
    // SAFETY: keys of such maps have four bytes.
    unsafe { bpf(BPF_MAP_DELETE_ELEM, &mut attribute) }.map(drop)
}

/// Reads the value of a key.
///
/// # Safety
/// Both have to be as large as the map's; for a map that is divided among CPUs there has to be room for
/// all.
pub(crate) unsafe fn lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<()> {
    let mut attribute = element(map, key, value.as_mut_ptr() as u64);
    // SAFETY: by the caller's word.
    unsafe { bpf(BPF_MAP_LOOKUP_ELEM, &mut attribute) }.map(drop)
}

/// Writes the value of a key.
///
/// # Safety
/// As of [`lookup`].
pub(crate) unsafe fn update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let mut attribute = element(map, key, value.as_ptr() as u64);
    // SAFETY: by the caller's word.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut attribute) }.map(drop)
}

/// Reads the key behind another one, or the first.
///
/// # Safety
/// Both have to be as large as the map's.
pub(crate) unsafe fn next_key(
    map: BorrowedFd<'_>,
    key: Option<&[u8]>,
    next: &mut [u8],
) -> io::Result<()> {
    let mut attribute = element(map, key.unwrap_or_default(), next.as_mut_ptr() as u64);
    if key.is_none() {
        attribute.key = 0;
    }
    // SAFETY: by the caller's word.
    unsafe { bpf(BPF_MAP_GET_NEXT_KEY, &mut attribute) }.map(drop)
}

fn element(map: BorrowedFd<'_>, key: &[u8], value: u64) -> ElementAttribute {
    ElementAttribute {
        map: number(map),
        padding: 0,
        key: key.as_ptr() as u64,
        value,
        flags: 0,
    }
}

/// What a batch does with the entries that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// They stay.
    Copy,
    /// They leave the map (hash maps only).
    Move,
}

/// What one call of [`read_batch`] found.
pub(crate) struct Batch {
    /// Entries written to the front of keys and values.
    pub(crate) count: usize,
    /// Whether the map has been walked to its end.
    pub(crate) done: bool,
}

/// Reads entries of a hash map or an array, as many as fit, going on from `cursor`.
///
/// The cursor of an array is the index of the entry before the first that is read.
///
/// # Safety
/// `K` and `V` must be the layouts of the map's keys and values.
pub(crate) unsafe fn read_batch<K, V>(
    map: BorrowedFd<'_>,
    reading: Reading,
    cursor: &mut Option<u32>,
    keys: &mut [K],
    values: &mut [V],
) -> io::Result<Batch> {
    let mut next = 0_u32;
    let mut attribute = BatchAttribute {
        in_batch: cursor
            .as_ref()
            .map_or(0, |cursor| std::ptr::from_ref(cursor) as u64),
        out_batch: std::ptr::from_mut(&mut next) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: keys.len().min(values.len()) as u32,
        map: number(map),
        element_flags: 0,
        flags: 0,
    };
    let command = match reading {
        Reading::Copy => BPF_MAP_LOOKUP_BATCH,
        Reading::Move => BPF_MAP_LOOKUP_AND_DELETE_BATCH,
    };
    // SAFETY: keys and values are as long as `count` says, of the map's layouts by the caller's
    // word, and the cursor of a hash map and of an array is a `u32`.
    let result = unsafe { bpf(command, &mut attribute) };
    *cursor = Some(next);
    let count = attribute.count as usize;
    match result {
        Ok(_) => Ok(Batch { count, done: false }),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Batch { count, done: true }),
        Err(error) => Err(error),
    }
}

/// Whether an error says that the kernel has no batches, or not for this kind of map.
pub(crate) fn is_without_batches(error: &io::Error) -> bool {
    // Kernels that do not know the command say EINVAL; those that know it but not for this kind of
    // map say 524 (ENOTSUPP, which libc does not name).
    matches!(error.raw_os_error(), Some(libc::EINVAL | 524))
}

/// Gives a map, a program or a link a place in a BPF file system, where it stays.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attribute = PinAttribute {
        path: path.as_ptr() as u64,
        object: number(object),
        flags: 0,
    };
    // SAFETY: the path ends with a zero and outlives the call.
    unsafe { bpf(BPF_OBJ_PIN, &mut attribute) }.map(drop)
}

/// Opens what has a place in a BPF file system.
pub(crate) fn get_pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attribute = PinAttribute {
        path: path.as_ptr() as u64,
        object: 0,
        flags: 0,
    };
    // SAFETY: the path ends with a zero and outlives the call.
    let opened = unsafe { bpf(BPF_OBJ_GET, &mut attribute) }?;
    // SAFETY: the kernel has just opened this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(opened as i32) })
}
