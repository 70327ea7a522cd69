//! What is pinned, and pins as an older version would have made them.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use std::{fs, mem::offset_of, path::Path};

use aya::{
    include_bytes_aligned,
    maps::{Array, Map, MapData},
    programs::{
        LinkOrder, SchedClassifier, TcAttachType, Xdp, XdpMode, links::FdLink, tc::TcAttachOptions,
    },
};
use netweir_agent::{
    Netns, QuicSettings, RuleSettings, Settings,
    attach::{Build, HookChoice, MapSizes, Modes, Object, Purpose, Variant},
    pin::{self, Claim, Folder, Pins},
    watch::{self, Device},
};
use netweir_flow::Hook;
use netweir_packets::port_bits;
use netweir_wire::{
    map::{
        About, CarriedSums, Direction, InterfaceKey, NearInterface, Phase, PortClasses, TapSlot,
        TapSlots, near_place, old::v3,
    },
    name,
};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};
use serde_json::Value;

use crate::{Netweir, Side};

/// Where pins are if nobody says otherwise.
pub const PINS: &str = "/sys/fs/bpf/netweir";

/// The object of ABI 3; `tests/data/README.md` says where it is from.
static ABI_3: &[u8] = include_bytes_aligned!("../data/netweir-abi3.bpf.o");

/// Gives the calling thread, and what it starts, a BPF file system of its own, which ends with them:
/// however a test ends, nothing of it stays.
///
/// # Panics
/// The kernel does not permit it.
pub fn own_bpffs() -> Folder {
    // SAFETY: only the mounts (and the current folder) become this thread's own.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", private).unwrap();
    mount("bpf", "/sys/fs/bpf", "bpf", MountFlags::empty(), None).unwrap();
    Folder::new(Path::new(PINS))
}

/// All that is in a directory, and in those in it.
///
/// # Panics
/// It cannot be read.
pub fn tree(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(path) else {
        return found;
    };
    for entry in entries {
        let entry = entry.unwrap();
        found.push(entry.path().display().to_string());
        if entry.file_type().unwrap().is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found.sort();
    found
}

/// What programs and user space know of the way through user space, of an interface where frames cross.
pub struct PinnedSlots(Array<MapData, [u8; size_of::<TapSlots>()]>);

impl PinnedSlots {
    /// Of this interface, which is pinned for the calling thread.
    ///
    /// # Panics
    /// It is not.
    pub fn of(interface: &str) -> Self {
        let pins = tree(Path::new(PINS));
        let is_it = |path: &&String| path.contains(interface) && path.ends_with(name::TAP_SLOTS);
        let path = pins.iter().find(is_it);
        let path = path.unwrap_or_else(|| panic!("{pins:#?}"));
        let map = Map::Array(MapData::from_pin(path).unwrap());
        Self(map.try_into().unwrap())
    }

    /// What is known of a queue.
    ///
    /// # Panics
    /// The map cannot be read.
    pub fn slot(&self, queue: usize) -> TapSlot {
        let bytes = self.0.get(&0, 0).unwrap();
        let word = |place| {
            let place = Self::place(queue, place);
            u64::from_ne_bytes(*bytes[place..].first_chunk().unwrap())
        };
        TapSlot {
            taken: word(offset_of!(TapSlot, taken)),
            refused: word(offset_of!(TapSlot, refused)),
            room: word(offset_of!(TapSlot, room)),
            done: word(offset_of!(TapSlot, done)),
            forwarded: word(offset_of!(TapSlot, forwarded)),
            ..TapSlot::default()
        }
    }

    /// Lies about the room of a queue; while nothing goes by user space, for all is written that was read.
    ///
    /// # Panics
    /// The map cannot be read or written.
    pub fn set_room(&mut self, queue: usize, room: u64) {
        let mut bytes = self.0.get(&0, 0).unwrap();
        let place = Self::place(queue, offset_of!(TapSlot, room));
        bytes[place..][..size_of::<u64>()].copy_from_slice(&room.to_ne_bytes());
        self.0.set(0, bytes, 0).unwrap();
    }

    const fn place(queue: usize, word: usize) -> usize {
        offset_of!(TapSlots, slots) + queue * size_of::<TapSlot>() + word
    }
}

/// What `netweir status` says of the only interface that is pinned, from inside a namespace.
///
/// # Panics
/// There are others or none.
pub fn status(side: &Side) -> Value {
    let ended = Netweir::new(["status", "--output", "json"])
        .inside(side)
        .finish();
    assert_eq!(ended.failure(), (Some(0), vec![]), "{ended:#?}");
    assert_eq!(ended.output.len(), 1, "{ended:#?}");
    serde_json::from_str(&ended.output[0]).unwrap()
}

/// Settings of an agent that wants everything as it is by itself.
pub fn settings(sizes: MapSizes) -> Settings {
    let mut ports = Box::new(PortClasses { bits: [0; 65536] });
    for (port, bits) in (0..=u16::MAX).zip(&mut ports.bits) {
        *bits = port_bits(port);
    }
    Settings {
        choices: Vec::new(),
        except: Vec::new(),
        hook: HookChoice::Auto,
        modes: Modes::default(),
        trace_any: false,
        maps: sizes,
        ports,
        only: None,
        sampling: 1,
        quic: QuicSettings::default(),
        rules: RuleSettings::default(),
        pins: None,
    }
}

/// Pins of ABI 3 as `netweir attach` of that version would have made them.
pub struct OldPins {
    /// The pins.
    pub pins: Pins,
    /// The key of each direction.
    pub keys: [InterfaceKey; 2],
}

/// Numbers of counters in old pins.
const NUMBERS: u32 = 4;

/// Maps that ABI 3 had.
const MAPS: [&str; 18] = [
    name::EPOCH,
    name::OVERFLOW,
    name::CACHE,
    name::CACHE_STATE,
    name::FLOWS_EVEN,
    name::FLOWS_ODD,
    name::INTERFACES,
    name::NEAR,
    name::COUNTERS,
    name::FREE_COUNTERS,
    name::PORTS,
    name::FILTER,
    name::STRAY,
    name::QUIC_EVENTS,
    name::QUIC_COUNTERS,
    name::BACKENDS_EVEN,
    name::BACKENDS_ODD,
    name::LAYOUT,
];

impl OldPins {
    /// Attaches programs of ABI 3 to an interface, with maps of these sizes.
    ///
    /// # Panics
    /// The kernel refuses.
    pub fn make(folder: &Folder, side: &Side, hook: Hook, sizes: MapSizes) -> Self {
        let netns = &side.netns;
        let device = watch::find(netns, side.interface).unwrap();
        let settings = settings(MapSizes {
            interfaces: NUMBERS,
            ..sizes
        });
        let build = Build {
            object: ABI_3,
            abi: 3,
            epoch_bytes: size_of::<v3::Epoch>() as u32,
        };
        let purpose = Purpose::Interfaces {
            netns: netns.inode(),
        };
        let mut object =
            Object::load_build(build, &purpose, settings.maps, Variant::default()).unwrap();
        let claim = folder.claim_new(&device.name).unwrap();
        let pins = claim.make(3).unwrap();
        let whose = (netns.inode(), &device);
        let mut about = pin::pinned_about(whose, &settings, HookChoice::Auto, &object);
        pins.make_array(name::ABOUT, size_of::<About>(), 1).unwrap();
        // The programs know the maps by their descriptors.
        let maps = MAPS.map(|name| {
            let map = object.take_raw(name).unwrap();
            map.pin(pins.path_of(name)).unwrap();
            map
        });
        let old = Self {
            keys: [Direction::Ingress, Direction::Egress].map(|direction| InterfaceKey {
                netns: netns.inode(),
                ifindex: device.ifindex,
                direction: direction as u32,
            }),
            pins,
        };
        old.prepare(&settings.ports);
        old.attach(&mut object, (netns, &device), hook);
        drop(maps);
        about.hook = match hook {
            Hook::Tcx => 0,
            Hook::Clsact => 1,
            Hook::XdpNative => 2,
            _ => 3,
        };
        about.qdisc = (hook == Hook::Clsact).into();
        about.phase = Phase::Attached as u32;
        old.pins.set_about(&about).unwrap();
        old
    }

    fn prepare(&self, ports: &PortClasses) {
        let pins = &self.pins;
        pins.make_array(name::CARRIED, size_of::<v3::Carried>(), 2 * NUMBERS)
            .unwrap();
        pins.make_array(name::CARRIED_SUMS, size_of::<CarriedSums>(), 1)
            .unwrap();
        pins.set_first(name::PORTS, ports).unwrap();
        for (number, key) in (0..).zip(self.keys) {
            let words = [key.netns, key.ifindex, key.direction];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let place = v3::Place { number, names: 0 };
            pins.put(name::INTERFACES, &bytes, &place).unwrap();
            let near = NearInterface {
                ifindex: key.ifindex,
                number,
            };
            let place = near_place(key.ifindex, key.direction);
            pins.set(name::NEAR, place, &near).unwrap();
        }
        self.set_epoch(0, 0);
    }

    /// Lets programs count in another epoch, as an agent would that then died.
    ///
    /// # Panics
    /// The map cannot be written.
    pub fn set_epoch(&self, current: u32, taken: u32) {
        let epoch = v3::Epoch {
            current,
            prepared: 1,
            taken: u64::from(taken) << 32,
        };
        self.pins.set_first(name::EPOCH, &epoch).unwrap();
    }

    /// Writes what had been taken when so many epochs were, of the receive direction.
    ///
    /// # Panics
    /// The map cannot be written.
    pub fn set_carried(&self, taken_epochs: u32, carried: &v3::Carried) {
        let place = (taken_epochs & 1) * NUMBERS;
        self.pins.set(name::CARRIED, place, carried).unwrap();
    }

    fn attach(&self, object: &mut Object, (netns, device): (&Netns, &Device), hook: Hook) {
        let directions = [
            (name::TC_INGRESS, TcAttachType::Ingress),
            (name::TC_EGRESS, TcAttachType::Egress),
        ];
        let links = self.pins.links(hook);
        netns
            .enter(|| match hook {
                Hook::XdpNative | Hook::XdpGeneric => {
                    let mode = match hook {
                        Hook::XdpNative => XdpMode::Driver,
                        _ => XdpMode::Skb,
                    };
                    let name = crate::Program::xdp().name;
                    let program: &mut Xdp = object.program(name, Xdp::load).unwrap();
                    program.pin(self.pins.path_of(name)).unwrap();
                    let link = program.attach_to_if_index(device.ifindex, mode).unwrap();
                    let link = FdLink::try_from(program.take_link(link).unwrap()).unwrap();
                    link.pin(&links[0]).unwrap();
                }
                Hook::Tcx => {
                    for ((name, place), path) in directions.into_iter().zip(&links) {
                        let program = object.program(name, SchedClassifier::load).unwrap();
                        let program: &mut SchedClassifier = program;
                        program.pin(self.pins.path_of(name)).unwrap();
                        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
                        let link = program.attach_with_options(&device.name, place, options);
                        let link = program.take_link(link.unwrap()).unwrap();
                        FdLink::try_from(link).unwrap().pin(path).unwrap();
                    }
                }
                _ => {
                    aya::programs::tc::qdisc_add_clsact(&device.name).unwrap();
                    for (name, place) in directions {
                        let program = object.program(name, SchedClassifier::load).unwrap();
                        let program: &mut SchedClassifier = program;
                        program.pin(self.pins.path_of(name)).unwrap();
                        let options =
                            TcAttachOptions::Netlink(aya::programs::tc::NlOptions::default());
                        let link = program.attach_with_options(&device.name, place, options);
                        let link = program.take_link(link.unwrap()).unwrap();
                        // It would remove the filter.
                        std::mem::forget(link);
                    }
                }
            })
            .unwrap();
    }
}

/// The lock of an interface, as another process would have it.
///
/// # Panics
/// It has none, or somebody else has the lock.
pub fn claim(folder: &Folder, interface: &str) -> Claim {
    folder.claim(interface).unwrap().unwrap()
}
