//! Ending on a signal: Ctrl-C, SIGTERM and a closed terminal become something that can be waited for.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Becomes readable when the program is to end. Never read, so that all who wait see it.
#[derive(Debug)]
pub(crate) struct Stop {
    readable: OwnedFd,
    writable: OwnedFd,
}

impl Stop {
    /// From now on the signals end the program through this value.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let stop = Self::by_itself()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, stop.writable.try_clone()?)?;
        }
        Ok(stop)
    }

    /// For a part of the program that is to end later than the others: no signal ends it.
    pub(crate) fn by_itself() -> io::Result<Self> {
        let (readable, writable) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        Ok(Self { readable, writable })
    }

    /// Ends the program as a signal would.
    pub(crate) fn now(&self) {
        // A pipe that is full has been written to before.
        let _written = rustix::io::write(&self.writable, &[0]);
    }

    /// A descriptor that becomes readable with this value, for those who cannot borrow it.
    pub(crate) fn try_clone(&self) -> io::Result<OwnedFd> {
        self.readable.try_clone()
    }

    /// Waits for at most `timeout`; whether the program is to end.
    pub(crate) fn wait(&self, timeout: Duration) -> io::Result<bool> {
        self.wait_or(&[], timeout)
    }

    /// The same, but no longer than until something else can be read.
    pub(crate) fn wait_or(&self, others: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<bool> {
        // `None` where the deadline is too far away to be told: for ever.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let all = std::iter::once(self.readable.as_fd()).chain(others.iter().copied());
            let mut watched: Vec<_> = all
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .collect();
            match poll(&mut watched, left.as_ref()) {
                Ok(_) => return Ok(!watched[0].revents().is_empty()),
                // The signal itself: the time is not over, but now there may be something to read.
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the program is to end.
    pub(crate) fn is_set(&self) -> io::Result<bool> {
        self.wait(Duration::ZERO)
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}
