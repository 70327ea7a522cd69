//! A thread that forwards the tapped frames of some queues of both interfaces.
//!
//! Its sockets share frames: one that came in at one interface goes out at the other without being copied
//! here, and goes back to the ring that it came by when it was sent. So no ring is ever short of frames, and
//! nothing is locked.

use std::{
    mem::offset_of,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use netweir_wire::map::TapSlot;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    owed::Owed,
    port::{Door, Port},
    record::{Recorder, marked},
    socket::{Entries, FRAME_BYTES, Socket, TapMode},
};
use crate::{Error, memory::Memory};

/// Frames that are taken at once.
const BATCH: u32 = 256;

/// So many at once are a flood: more will come soon.
const FLOOD: u32 = 32;

/// How long a lane looks for more of a flood before it sleeps: to be woken takes longer, and whoever sends too.
const LINGER: Duration = Duration::from_micros(50);

/// Calls in a row that may send nothing, before the other queues have their turn.
const IDLE_CALLS: u32 = 16;

/// How long a lane waits while frames are on their way out: the kernel does not wake it for these.
const PAUSE: Duration = Duration::from_millis(2);

/// The same where an interface is down.
const LONG_PAUSE: Duration = Duration::from_millis(50);

/// How long it waits, when it is to end, for frames that are on their way in.
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// How a lane is to work.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) mode: TapMode,
    /// Frames of each queue: a power of two.
    pub(super) frames: u32,
    /// How long it looks for more frames before it sleeps.
    pub(super) spin: Duration,
}

/// Frames that the driver keeps of those of a queue, where they are not copied: it receives with them what
/// is not tapped as well.
const RESERVE: u32 = 1024;

impl Pace {
    /// Frames of a queue in all: a power of two.
    const fn capacity(&self) -> u32 {
        match self.mode {
            TapMode::ZeroCopy => (self.frames + RESERVE).next_power_of_two(),
            TapMode::Auto | TapMode::Copy => self.frames,
        }
    }
}

/// A thread's share of the queues.
pub(super) struct Lane {
    ports: Vec<Port>,
    frames: Memory,
    pace: Pace,
    recorder: Recorder,
    /// Becomes readable when it is to end.
    stop: OwnedFd,
    /// Whether many frames came at once since it has slept.
    is_flooded: bool,
}

impl Lane {
    /// Opens the sockets of some queues; from inside the namespace.
    pub(super) fn open(
        doors: Vec<Door>,
        pace: Pace,
        recorder: Recorder,
        stop: OwnedFd,
    ) -> Result<Self, Error> {
        let capacity = pace.capacity();
        let all = doors.len() as u32 * capacity;
        let frames = Memory::anonymous(all as usize * FRAME_BYTES as usize)?;
        let entries = Entries {
            receive: capacity,
            send: all.next_power_of_two(),
        };
        let mut ports: Vec<Port> = Vec::new();
        for door in doors {
            let first = ports.first().map(|port| &port.socket);
            let filled = (entries, ports.len() as u32 * capacity);
            let socket = Socket::open(door.queue, filled, (&frames, first), pace.mode)?;
            if !pace.spin.is_zero() {
                let microseconds = pace.spin.as_micros().min(1000) as u32;
                if let Err(error) = socket.prefer_busy_poll(microseconds) {
                    tracing::warn!(%error, "the kernel cannot look at queues by itself (Linux 5.11)");
                }
            }
            ports.push(Port {
                door,
                socket,
                owed: Owed::default(),
                is_down: false,
                room: 0,
            });
        }
        let mut lane = Self {
            ports,
            frames,
            pace,
            recorder,
            stop,
            is_flooded: false,
        };
        lane.begin();
        Ok(lane)
    }

    /// Whether frames are not copied.
    pub(super) fn is_zero_copy(&self) -> bool {
        self.ports.iter().all(|port| port.socket.is_zero_copy())
    }

    /// The sockets with the interface and the queue that each is for.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (usize, u32, &Socket)> {
        let ports = self.ports.iter();
        ports.map(|port| (port.door.end, port.door.queue.number, &port.socket))
    }

    /// Takes over the books of whoever had the queues before, and shows the room of the rings, which are
    /// filled.
    fn begin(&mut self) {
        for port in &mut self.ports {
            let (slots, queue) = (&port.door.slots, port.door.queue.number as usize);
            let left = slots.outstanding(queue);
            slots.add(queue, offset_of!(TapSlot, left_behind), left);
            slots.add(queue, offset_of!(TapSlot, done), left);
            port.room = slots.given(queue) + u64::from(self.pace.frames);
            port.publish();
        }
    }

    /// Forwards until it is to end, and then what is still on its way.
    pub(super) fn run(mut self) {
        let mut busy = Instant::now();
        loop {
            if self.serve_all() {
                busy = Instant::now();
                continue;
            }
            let idle = busy.elapsed();
            if idle < self.pace.spin {
                self.ports.iter().for_each(|port| port.socket.wake());
                continue;
            }
            if self.is_flooded && idle < LINGER {
                std::hint::spin_loop();
                continue;
            }
            self.is_flooded = false;
            match self.wait() {
                Awaited::Frames => {}
                Awaited::End => break,
                Awaited::Failure => {
                    tracing::warn!(
                        "an interface of the inline path is down or gone; nothing is tapped there"
                    );
                    break;
                }
            }
        }
        self.end();
    }

    /// Forwards what is on its way, if it still comes; nothing new does. What no interface takes by then is lost.
    fn end(&mut self) {
        let until = Instant::now() + LAST_PAUSE;
        while self.is_owed_any() && Instant::now() < until {
            if !self.serve_all() {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        for out in 0..self.ports.len() {
            self.settle(out);
            let mut owed = std::mem::take(&mut self.ports[out].owed);
            owed.settle(0, |from, frames, _| {
                self.ports[from].add(offset_of!(TapSlot, down), frames.into());
                self.ports[from].add(offset_of!(TapSlot, done), frames.into());
            });
        }
    }

    /// Whether anything is on its way: without copying, until the driver has given the frames back.
    fn is_owed_any(&self) -> bool {
        let is_zero_copy = self.pace.mode == TapMode::ZeroCopy;
        let mut ports = self.ports.iter();
        ports.any(|port| {
            let queue = port.door.queue.number as usize;
            port.door.slots.outstanding(queue) > 0 || is_zero_copy && !port.is_whole(&self.pace)
        })
    }

    /// Takes the frames of all queues; says whether there was something to do.
    fn serve_all(&mut self) -> bool {
        let mut moved = false;
        for place in 0..self.ports.len() {
            moved |= self.serve(place);
        }
        moved
    }

    /// Takes the frames of one queue and sends them on; says whether there was something to do.
    fn serve(&mut self, place: usize) -> bool {
        self.reclaim(place);
        let port = &mut self.ports[place];
        let (out, count) = (port.door.out, port.socket.received.available().min(BATCH));
        if port.socket.fill.needs_wakeup() && count == 0 {
            port.socket.wake();
        }
        self.forward(place, count);
        let port = &self.ports[place];
        port.socket.received.release();
        let (recorded, unrecorded) = self.recorder.end_batch();
        port.add(offset_of!(TapSlot, recorded), recorded);
        port.add(offset_of!(TapSlot, unrecorded), unrecorded);
        self.is_flooded |= count >= FLOOD;
        if count > 0 {
            self.ports[out].socket.send.submit();
            self.ports[out].owed.add(place, count);
        }
        let sent = !self.ports[out].owed.is_empty() && self.send(out);
        count > 0 || sent
    }

    /// Puts so many frames that came at one queue into the ring of the other one.
    fn forward(&mut self, place: usize, count: u32) {
        let told = self.recorder.begin_batch(count);
        let out = self.ports[place].door.out;
        let [from, to] = self
            .ports
            .get_disjoint_mut([place, out])
            .expect("frames leave by another interface");
        for number in 0..count {
            let frame = from.socket.received.pop();
            if number < told {
                let (mark, bytes) = marked(&self.frames, frame.addr as usize, frame.len as usize);
                self.recorder.take(from.door.end, &mark, bytes);
            }
            to.socket.send.push(frame);
        }
    }

    /// Sends what waits at a queue; says whether something went.
    fn send(&mut self, out: usize) -> bool {
        let mut gone = self.settle(out);
        let mut idle = 0;
        while idle < IDLE_CALLS && !self.ports[out].owed.is_empty() {
            let port = &mut self.ports[out];
            if port.socket.send.needs_wakeup() {
                match port.socket.kick() {
                    // A frame for which the other end has no room is lost, and told once each.
                    Err(Errno::BUSY) => port.owed.lose(),
                    Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) | Ok(()) => {}
                    Err(error) => {
                        tracing::debug!(%error, "an interface takes no frames");
                        port.is_down = true;
                        return gone > 0;
                    }
                }
            }
            port.is_down = false;
            let sent = self.settle(out);
            idle = if sent == 0 { idle + 1 } else { 0 };
            gone += sent;
            self.reclaim(out);
        }
        gone > 0
    }

    /// Ends the books of the frames that were taken at a queue; returns how many that were.
    fn settle(&mut self, out: usize) -> u32 {
        let waiting = self.ports[out].socket.send.waiting();
        let mut owed = std::mem::take(&mut self.ports[out].owed);
        let gone = owed.settle(waiting, |from, frames, lost| {
            let port = &self.ports[from];
            port.add(offset_of!(TapSlot, full), lost.into());
            port.add(offset_of!(TapSlot, forwarded), (frames - lost).into());
            port.add(offset_of!(TapSlot, done), frames.into());
        });
        self.ports[out].owed = owed;
        gone
    }

    /// Takes the frames back that a queue has sent.
    fn reclaim(&mut self, place: usize) {
        let sent = self.ports[place].socket.completed.available();
        if sent == 0 {
            return;
        }
        for _ in 0..sent {
            let frame = self.ports[place].socket.completed.pop();
            self.give_back(frame);
        }
        self.ports[place].socket.completed.release();
        self.ports.iter_mut().for_each(Port::publish);
    }

    /// Gives a frame back to the ring that it came by.
    fn give_back(&mut self, address: u64) {
        let frame = address / u64::from(FRAME_BYTES);
        let home = (frame / u64::from(self.pace.capacity())) as usize;
        if let Some(port) = self.ports.get_mut(home) {
            port.fill(frame * u64::from(FRAME_BYTES));
        }
    }

    /// Waits for frames. Where some wait to be sent, not at the sockets: that would send them too, and not say
    /// which were lost.
    fn wait(&self) -> Awaited {
        let is_sent = self.ports.iter().all(|port| port.owed.is_empty());
        let sockets = self.ports.iter().filter(|_| is_sent);
        let mut awaited: Vec<PollFd<'_>> = sockets.map(Port::awaited).collect();
        awaited.push(PollFd::new(&self.stop, PollFlags::IN));
        // Without frames on their way out nothing but frames that come can change anything.
        let is_quiet = self.ports.iter().all(|port| port.is_whole(&self.pace));
        let is_down = self.ports.iter().any(Port::is_stuck);
        let pause = if is_down { LONG_PAUSE } else { PAUSE };
        let pause = Timespec::try_from(pause).ok().filter(|_| !is_quiet);
        match poll(&mut awaited, pause.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return Awaited::Failure,
        }
        let (stop, ports) = awaited.split_last().expect("there is one");
        if stop.revents().contains(PollFlags::IN) {
            return Awaited::End;
        }
        let failed = |port: &PollFd<'_>| port.revents().intersects(PollFlags::ERR | PollFlags::HUP);
        let mut both = ports.iter().zip(&self.ports);
        if both.any(|(awaited, port)| failed(awaited) && port.socket.has_failed()) {
            return Awaited::Failure;
        }
        Awaited::Frames
    }
}

/// What a lane has waited for.
enum Awaited {
    Frames,
    End,
    Failure,
}
