//! What a process has used so far, as `/proc` tells.

use std::{collections::HashMap, fs};

use anyhow::Context;
use rustix::param::clock_ticks_per_second;

/// CPU time and memory of a process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Seconds of CPU outside of the kernel, in clock ticks of ten milliseconds.
    pub user_seconds: f64,
    /// Seconds of CPU in the kernel, for this process.
    pub system_seconds: f64,
    /// Bytes of memory in use.
    pub resident_bytes: u64,
    /// The most that it ever was.
    pub peak_bytes: u64,
    /// Bytes of kernel memory in maps that the process has open.
    pub map_bytes: u64,
}

impl Usage {
    /// Of the process of this number, or of `self`.
    ///
    /// # Errors
    /// There is no such process.
    pub fn of(process: &str) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name, in parentheses, may contain anything.
        let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
        let ticks = |place| -> anyhow::Result<f64> {
            let field = fields.split_whitespace().nth(place);
            let ticks: f64 = field.context("stat is short")?.parse()?;
            Ok(ticks / clock_ticks_per_second() as f64)
        };
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let memory = |name: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
            Ok(kib.with_context(|| format!("no {name}"))?.parse::<u64>()? * 1024)
        };
        Ok(Self {
            user_seconds: ticks(11)?,
            system_seconds: ticks(12)?,
            resident_bytes: memory("VmRSS:")?,
            peak_bytes: memory("VmHWM:")?,
            map_bytes: map_bytes(process)?,
        })
    }
}

/// The sum over all maps, each once.
fn map_bytes(process: &str) -> anyhow::Result<u64> {
    let mut maps = HashMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/fdinfo"))? {
        // A file may have been closed meanwhile.
        let Ok(text) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let number = |name: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line?.trim().parse().ok()
        };
        if let (Some(map), Some(bytes)) = (number("map_id:"), number("memlock:")) {
            maps.insert(map, bytes);
        }
    }
    Ok(maps.values().sum())
}
