//! A queue that a lane serves: its socket, its place in the books, and the frames that are its own.

use std::{os::fd::AsFd, sync::Arc};

use rustix::event::{PollFd, PollFlags};

use super::{
    lane::Pace,
    owed::Owed,
    slots::Slots,
    socket::{Queue, Socket},
};

/// One queue that a lane is to serve.
pub(super) struct Door {
    /// Which one.
    pub(super) queue: Queue,
    /// Its interface: 0 or 1.
    pub(super) end: usize,
    /// The queue, among those of the lane, by which its frames leave.
    pub(super) out: usize,
    /// What is known of the queues of its interface.
    pub(super) slots: Arc<Slots>,
}

/// A queue that is being served.
pub(super) struct Port {
    pub(super) door: Door,
    pub(super) socket: Socket,
    /// What was submitted and not taken yet.
    pub(super) owed: Owed,
    /// Whether the interface takes nothing: it is down.
    pub(super) is_down: bool,
    /// Frames up to which the ring has room.
    pub(super) room: u64,
}

impl Port {
    /// Gives a frame back to its ring, which the kernel sees with [`Self::publish`].
    pub(super) fn fill(&mut self, address: u64) {
        self.socket.fill.push(address);
        self.room += 1;
    }

    /// Shows kernel and programs the frames that were filled.
    pub(super) fn publish(&mut self) {
        self.socket.fill.submit();
        let queue = self.door.queue.number as usize;
        self.door.slots.set_room(queue, self.room);
    }

    /// Adds to one of the numbers of its place in the books.
    pub(super) fn add(&self, number: usize, more: u64) {
        let queue = self.door.queue.number as usize;
        self.door.slots.add(queue, number, more);
    }

    /// Whether it has frames that its interface, which is down, does not take.
    pub(super) const fn is_stuck(&self) -> bool {
        self.is_down && !self.owed.is_empty()
    }

    /// What is waited for until frames come.
    pub(super) fn awaited(&self) -> PollFd<'_> {
        PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)
    }

    /// Whether all its frames are in the ring, or with the kernel on their way in.
    pub(super) fn is_whole(&self, pace: &Pace) -> bool {
        let queue = self.door.queue.number as usize;
        let given = self.door.slots.given(queue);
        self.owed.is_empty() && self.room >= given.wrapping_add(pace.frames.into())
    }
}
