//! The inline path: what the kernel sends from one interface on to another one, and what goes by user
//! space meanwhile.
//!
//! [`crate::pin::attach_inline`] lets frames cross, whether there is a process or not. A [`Tap`] serves the
//! queues of both interfaces: each thread has a share of them, with sockets of its own. When it ends, or dies,
//! tapped frames cross in the kernel as well.

mod lane;
mod owed;
mod port;
mod record;
mod ring;
mod slots;
mod socket;

use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use netweir_wire::{
    map::{TAP_QUEUES, TapSettings},
    name,
};
use rustix::event::{EventfdFlags, eventfd};

use self::{
    lane::{Lane, Pace},
    port::Door,
    record::Recorder,
    socket::{Entries, FRAME_BYTES, MAX_BYTES, Queue, Socket},
};
use crate::{
    Error, Netns,
    error::{Chain, Doing},
    ioctl,
    memory::Memory,
    pin::{Folder, Pins, is_generic},
    sys,
    watch::Device,
};
pub use record::{Appetite, Recording, Tapped};
pub(crate) use slots::Slots;
pub use socket::TapMode;

/// Fewest and most frames that a queue may have in user space.
pub const TAP_FRAMES: std::ops::RangeInclusive<u32> = 64..=8192;

/// A process that has done nothing for so long, though there was something, is passed by.
const STALL: Duration = Duration::from_millis(100);

/// How tapped frames go by user space.
#[derive(Clone, Debug)]
pub struct TapOptions {
    /// Whether they are copied.
    pub mode: TapMode,
    /// Frames of each queue that user space may have at a time: a power of two in [`TAP_FRAMES`].
    pub frames: u32,
    /// How long a thread looks for more before it sleeps.
    pub spin: Duration,
    /// Whether frames that cannot go by user space are withheld.
    pub closed: bool,
    /// What is told of them.
    pub recording: Option<Recording>,
}

/// What forwards tapped frames.
pub struct Tap {
    lanes: Vec<JoinHandle<()>>,
    stop: OwnedFd,
    ends: [End; 2],
    is_zero_copy: bool,
}

/// One of the two interfaces.
struct End {
    ifindex: u32,
    queues: u32,
    slots: Arc<Slots>,
    sockets: OwnedFd,
    /// Whether frames come behind the driver: there they are copied.
    is_generic: bool,
}

impl Tap {
    /// Serves the queues of two interfaces that frames cross between, from now on.
    ///
    /// # Errors
    /// They are not attached to for that, or the kernel refuses the sockets.
    pub fn start(
        folder: &Folder,
        netns: &Netns,
        devices: [&Device; 2],
        options: &TapOptions,
    ) -> Result<Self, Error> {
        let [one, other] = devices.map(|device| End::open(folder, netns, device));
        let ends = [one?, other?];
        for end in &ends {
            end.slots.set(&settings(options));
        }
        let stop = eventfd(0, EventfdFlags::CLOEXEC).doing("make an event")?;
        let lanes = netns.enter(|| open(&ends, options, &stop))??;
        // From here on what is done is undone where something fails.
        let mut tap = Self {
            lanes: Vec::new(),
            stop,
            ends,
            is_zero_copy: lanes.iter().all(Lane::is_zero_copy),
        };
        for lane in &lanes {
            for (end, queue, socket) in lane.sockets() {
                let map = tap.ends[end].sockets.as_fd();
                let set = sys::set_target(map, queue, socket.as_fd().as_raw_fd() as u32);
                set.doing("let tapped frames go to a socket")?;
            }
        }
        for (number, lane) in lanes.into_iter().enumerate() {
            let thread = thread::Builder::new().name(format!("tap-{number}"));
            let thread = thread.spawn(move || lane.run());
            tap.lanes.push(thread.doing("start a thread")?);
        }
        Ok(tap)
    }

    /// Whether frames are not copied on their way.
    pub const fn is_zero_copy(&self) -> bool {
        self.is_zero_copy
    }

    /// Threads, and queues of each interface.
    pub fn shape(&self) -> (usize, [u32; 2]) {
        (self.lanes.len(), [self.ends[0].queues, self.ends[1].queues])
    }

    /// Whether a thread has ended by itself: tapped frames of its queues cross in the kernel.
    pub fn has_failed(&self) -> bool {
        self.lanes.iter().any(JoinHandle::is_finished)
    }

    /// Lets tapped frames cross in the kernel again, forwards what is in user space, and ends.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        for end in &self.ends {
            end.let_go();
        }
        if let Err(error) = rustix::io::write(&self.stop, &1_u64.to_ne_bytes()) {
            tracing::warn!(%error, "the threads of the tap cannot be told to end");
            return;
        }
        for lane in self.lanes.drain(..) {
            if lane.join().is_err() {
                tracing::error!("a thread of the tap has panicked");
            }
        }
    }
}

impl End {
    fn open(folder: &Folder, netns: &Netns, device: &Device) -> Result<Self, Error> {
        let pins = inline_pins(folder, netns, device)?;
        let queues = netns.enter(|| ioctl::queues(&device.name))?;
        let queues = queues.doing("ask how many queues an interface has")?;
        if queues as usize > TAP_QUEUES {
            tracing::warn!(
                interface = device.name,
                queues,
                "frames of queues beyond {TAP_QUEUES} are not tapped"
            );
        }
        Ok(Self {
            ifindex: device.ifindex,
            queues: queues.min(TAP_QUEUES as u32),
            slots: Arc::new(Slots::new(pins.open(name::TAP_SLOTS)?)?),
            sockets: pins.open(name::TAP_SOCKETS)?,
            is_generic: is_generic(&pins.about()?),
        })
    }

    /// Takes the sockets away from the programs; what these have given is still to come.
    fn let_go(&self) {
        for queue in 0..self.queues {
            // Where there is none, or the interface is gone, it is as it should be.
            let _absent = sys::remove_target(self.sockets.as_fd(), queue);
        }
    }
}

/// Name of the driver of an interface.
///
/// # Errors
/// The driver has none, or the namespace cannot be entered.
pub fn driver(netns: &Netns, interface: &str) -> Result<String, Error> {
    let driver = netns.enter(|| ioctl::driver(interface))?;
    driver.doing("ask for the driver of an interface")
}

/// Opens a socket of the first queue of an interface, which copies; from inside the namespace.
///
/// # Errors
/// The kernel refuses it.
pub(crate) fn try_socket(ifindex: u32) -> Result<(), Error> {
    let entries = Entries {
        receive: *TAP_FRAMES.start(),
        send: *TAP_FRAMES.start(),
    };
    let frames = Memory::anonymous(entries.receive as usize * FRAME_BYTES as usize)?;
    let queue = Queue { ifindex, number: 0 };
    Socket::open(queue, (entries, 0), (&frames, None), TapMode::Copy).map(drop)
}

/// The pins by which frames of an interface go on to another one.
fn inline_pins(folder: &Folder, netns: &Netns, device: &Device) -> Result<Pins, Error> {
    let found = crate::pin::inline_of(folder, netns, device);
    found.ok_or_else(|| Error::NotPinned {
        interface: device.name.clone(),
    })
}

fn settings(options: &TapOptions) -> TapSettings {
    let tick_ns = crate::attach::tick_ns();
    TapSettings {
        closed: options.closed.into(),
        max_bytes: MAX_BYTES,
        stall_ticks: (STALL.as_nanos() as u64 / tick_ns.max(1)).max(2) as u32,
        ..TapSettings::default()
    }
}

/// Opens the sockets, from inside the namespace: without copying if that is wanted and works.
fn open(ends: &[End; 2], options: &TapOptions, stop: &OwnedFd) -> Result<Vec<Lane>, Error> {
    let is_generic = ends.iter().any(|end| end.is_generic);
    let modes: &[TapMode] = match options.mode {
        TapMode::Auto if is_generic => &[TapMode::Copy],
        TapMode::ZeroCopy if is_generic => return Err(Error::CopiedBehindDriver),
        TapMode::Auto => &[TapMode::ZeroCopy, TapMode::Copy],
        TapMode::Copy => &[TapMode::Copy],
        TapMode::ZeroCopy => &[TapMode::ZeroCopy],
    };
    let mut last = Error::Broken;
    for &mode in modes {
        match open_in(mode, ends, options, stop) {
            Ok(lanes) => return Ok(lanes),
            Err(error) => last = error,
        }
        tracing::debug!(?mode, error = %Chain(&last), "no sockets so");
    }
    Err(last)
}

fn open_in(
    mode: TapMode,
    ends: &[End; 2],
    options: &TapOptions,
    stop: &OwnedFd,
) -> Result<Vec<Lane>, Error> {
    let pace = Pace {
        mode,
        frames: options.frames,
        spin: options.spin,
    };
    let lanes = ends[0].queues.min(ends[1].queues);
    let open = |lane| {
        let recorder = Recorder::new(options.recording.clone());
        let stop = stop.try_clone().doing("share an event")?;
        Lane::open(doors(ends, lane, lanes), pace, recorder, stop)
    };
    (0..lanes).map(open).collect()
}

/// The queues of one of so many lanes. The interface with fewer queues has one in each lane, by which all
/// that come in at the other interface leave.
fn doors(ends: &[End; 2], lane: u32, lanes: u32) -> Vec<Door> {
    let mut doors: Vec<Door> = Vec::new();
    for (end, interface) in ends.iter().enumerate() {
        for number in (lane..interface.queues).step_by(lanes as usize) {
            doors.push(Door {
                queue: Queue {
                    ifindex: interface.ifindex,
                    number,
                },
                end,
                out: 0,
                slots: Arc::clone(&interface.slots),
            });
        }
    }
    let first_of_other = doors.iter().filter(|door| door.end == 0).count();
    for (place, door) in doors.iter_mut().enumerate() {
        door.out = if place < first_of_other {
            first_of_other
        } else {
            0
        };
    }
    doors
}
