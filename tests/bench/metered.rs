//! The real program as a process of its own, metering the near end of a pair.

use std::{
    ffi::OsString,
    thread,
    time::{Duration, Instant},
};

use netweir_tests::{Netweir, Server, Usage};
use rustix::process::Signal;
use serde_json::Value;

use crate::pair::{INTERFACE, Pair, device};

/// How long packets may take from the hook into the table of flows.
const SETTLING: Duration = Duration::from_secs(10);
/// How often to ask meanwhile.
const ASKING: Duration = Duration::from_millis(200);

/// A pair, and `netweir run` on its near end. Both end with this value.
pub(crate) struct Metered {
    /// The network.
    pub(crate) pair: Pair,
    server: Server,
    frames_before: u64,
}

/// What was counted, in frames.
pub(crate) struct Books {
    /// By the interface itself.
    pub(crate) interface: f64,
    /// By the hooks.
    pub(crate) seen: f64,
    /// In flows of the table.
    pub(crate) in_flows: f64,
    /// Live flows.
    pub(crate) flows: f64,
    /// The whole, as the API has it.
    pub(crate) accounting: Value,
}

impl Metered {
    /// Starts the program with these arguments more, and waits until it meters.
    pub(crate) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let pair = Pair::new()?;
        let fixed = ["run", "--listen", "127.0.0.1:0", "--iface", INTERFACE];
        let mut words: Vec<OsString> = fixed.iter().chain(arguments).map(Into::into).collect();
        words.extend(["--netns".into(), pair.near.path().into()]);
        let server = Server::of(Netweir::new(words));
        let frames_before = frames(&pair)?;
        Ok(Self {
            pair,
            server,
            frames_before,
        })
    }

    /// What the process has used so far.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(&self.server.child.process().to_string())
    }

    /// Waits until all frames are in the books, or no longer.
    pub(crate) fn books(&self) -> anyhow::Result<Books> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let accounting = self.server.get("/api/accounting");
            let lines = accounting["interfaces"].as_array();
            let seen = lines.into_iter().flatten().map(|line| &line["seen"]);
            let books = Books {
                interface: (frames(&self.pair)? - self.frames_before) as f64,
                seen: seen.map(|seen| figure(&seen["frames"])).sum(),
                in_flows: figure(&accounting["in_flows"]["frames"]),
                flows: figure(&accounting["flows"]),
                accounting,
            };
            let is_settled = books.seen.total_cmp(&books.interface).is_eq()
                && figure(&books.accounting["in_flight"]["packets"]).abs() < 1.0;
            if is_settled || Instant::now() > deadline {
                return Ok(books);
            }
            thread::sleep(ASKING);
        }
    }

    /// Ends the program as a person would.
    pub(crate) fn stop(self) {
        drop(self.server.child.end(Signal::TERM));
    }
}

/// A number of the API; not one where it is missing.
pub(crate) fn figure(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Frames that crossed the near end, both ways.
fn frames(pair: &Pair) -> anyhow::Result<u64> {
    let statistics = device(&pair.near)?.statistics;
    Ok(statistics.received_frames + statistics.sent_frames)
}
