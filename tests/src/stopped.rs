//! A child process that stands still.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::{Child, await_that};

impl Child {
    /// Stops it, and waits until all its threads stand still.
    ///
    /// # Panics
    /// It has ended, or goes on.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        let threads = format!("/proc/{}/task", self.process());
        await_that(|| {
            let mut threads = fs::read_dir(&threads).unwrap();
            let is_going = |stat: &str| !stat.contains(") T ");
            let going = threads.find_map(|thread| {
                let stat = fs::read_to_string(thread.unwrap().path().join("stat"));
                stat.ok().filter(|stat| is_going(stat))
            });
            going.map_or(Ok(()), Err)
        });
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// It has ended.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(self.process().cast_signed()).unwrap();
        kill_process(process, signal).unwrap();
    }
}
