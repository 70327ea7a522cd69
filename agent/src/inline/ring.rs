//! The four rings of an AF_XDP socket, in memory that is shared with the kernel.
//!
//! Each side owns one of the two counters of a ring, which go round: the producer's entries are those
//! between them.

use std::{
    marker::PhantomData,
    os::fd::BorrowedFd,
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::{mm::ProtFlags, net::xdp::XdpRingOffset};

use crate::{Error, memory::Memory};

/// A ring that this side produces for: what may be filled, and what is to be sent.
pub(super) struct Producer<T>(Ring<T>);

/// A ring that the kernel produces for: what came, and what was sent.
pub(super) struct Consumer<T>(Ring<T>);

struct Ring<T> {
    memory: Memory,
    at: XdpRingOffset,
    /// A power of two.
    entries: u32,
    /// The counter of this side.
    own: u32,
    kind: PhantomData<T>,
}

impl<T: Copy> Ring<T> {
    fn new(
        socket: BorrowedFd<'_>,
        (page, at): (u64, XdpRingOffset),
        entries: u32,
    ) -> Result<Self, Error> {
        let bytes = at.desc as usize + entries as usize * size_of::<T>();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        Ok(Self {
            memory: Memory::map(socket, access, (page, bytes))?,
            at,
            entries,
            own: 0,
            kind: PhantomData,
        })
    }

    fn produced(&self) -> &AtomicU32 {
        self.memory.half_word(self.at.producer as usize)
    }

    fn consumed(&self) -> &AtomicU32 {
        self.memory.half_word(self.at.consumer as usize)
    }

    /// Where an entry is.
    const fn place(&self, counter: u32) -> usize {
        self.at.desc as usize + (counter & (self.entries - 1)) as usize * size_of::<T>()
    }

    fn needs_wakeup(&self) -> bool {
        /// `XDP_RING_NEED_WAKEUP`.
        const NEEDED: u32 = 1;
        let flags = self
            .at
            .flags
            .map(|flags| self.memory.half_word(flags as usize));
        flags.is_none_or(|flags| flags.load(Ordering::Relaxed) & NEEDED != 0)
    }
}

impl<T: Copy> Producer<T> {
    /// Of a socket that has it, at this place in its file.
    pub(super) fn new(
        socket: BorrowedFd<'_>,
        place: (u64, XdpRingOffset),
        entries: u32,
    ) -> Result<Self, Error> {
        Ring::new(socket, place, entries).map(Self)
    }

    /// Adds an entry, which the kernel sees with [`Self::submit`]. Nobody adds more than the ring has room
    /// for: it has as many entries as there are frames.
    pub(super) fn push(&mut self, entry: T) {
        let place = self.0.place(self.0.own);
        // SAFETY: entries are numbers, and this one is not the kernel's until it is submitted.
        unsafe { self.0.memory.set(place, entry) };
        self.0.own = self.0.own.wrapping_add(1);
    }

    /// Shows the kernel all that was added.
    pub(super) fn submit(&self) {
        self.0.produced().store(self.0.own, Ordering::Release);
    }

    /// What was submitted and not taken.
    pub(super) fn waiting(&self) -> u32 {
        let taken = self.0.consumed().load(Ordering::Acquire);
        self.0.own.wrapping_sub(taken)
    }

    /// Whether the kernel looks at the ring only when it is told to.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.0.needs_wakeup()
    }
}

impl<T: Copy> Consumer<T> {
    /// Of a socket that has it, at this place in its file.
    pub(super) fn new(
        socket: BorrowedFd<'_>,
        place: (u64, XdpRingOffset),
        entries: u32,
    ) -> Result<Self, Error> {
        Ring::new(socket, place, entries).map(Self)
    }

    /// Entries that are there.
    pub(super) fn available(&self) -> u32 {
        let produced = self.0.produced().load(Ordering::Acquire);
        produced.wrapping_sub(self.0.own)
    }

    /// The next entry, which the kernel has back with [`Self::release`]; only of those that are
    /// [available](Self::available).
    pub(super) fn pop(&mut self) -> T {
        let place = self.0.place(self.0.own);
        self.0.own = self.0.own.wrapping_add(1);
        // SAFETY: any bytes are an entry, and the kernel does not write to it before it has it back.
        unsafe { self.0.memory.value(place) }
    }

    /// Gives the kernel all that was taken back.
    pub(super) fn release(&self) {
        self.0.consumed().store(self.0.own, Ordering::Release);
    }
}
