//! What was typed of `inline`.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use netweir_agent::inline::TapMode;

use super::{BoundArgs, ListenArgs};
use crate::unit::parse_duration;

/// The longest that a thread looks for more frames before it sleeps.
const LONGEST_SPIN: Duration = Duration::from_millis(10);

/// Arguments of `inline`.
#[derive(Debug, clap::Args)]
pub struct InlineArgs {
    /// One of the two interfaces.
    #[arg(long, value_name = "IFACE")]
    pub from: String,
    /// The other one.
    #[arg(long, value_name = "IFACE")]
    pub to: String,
    /// They are in this network namespace, by name, path or process id.
    #[arg(long, value_name = "NAME|PATH|PID")]
    pub netns: Option<String>,
    /// Where frames cross: native (in the drivers) or generic (behind them); auto takes the drivers, except of
    /// veths, and what is behind them where the drivers cannot.
    #[arg(long, value_name = "MODE")]
    pub xdp: Option<String>,
    /// Withhold tapped frames that cannot go by user space; they cross in the kernel else.
    #[arg(long)]
    pub closed: bool,
    /// Detach at the end: then nothing crosses any more.
    #[arg(long)]
    pub temporary: bool,
    /// How tapped frames get to user space.
    #[arg(long, value_enum, default_value_t)]
    pub mode: Mode,
    /// Tapped frames of each queue that user space may have at a time: a power of two from 64 to 8192.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = parse_frames)]
    pub frames: u32,
    /// Look for more frames for so long before sleeping, such as 50us; 10ms at most.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_spin)]
    pub busy_poll: Duration,
    /// Print a JSON line for each frame that a rule taps or samples.
    #[arg(long)]
    pub events: bool,
    /// Write frames that rules tap or sample to this file (pcapng), which is replaced if it is there; `-`
    /// for standard output.
    #[arg(long, short = 'w', value_name = "FILE", conflicts_with = "events")]
    pub write: Option<PathBuf>,
    /// What is written, and how much. Frames go on crossing when that is written.
    #[command(flatten)]
    pub bounds: BoundArgs,
    /// Serve dashboard and API as well, there.
    #[command(flatten)]
    pub listen: ListenArgs,
}

/// How tapped frames get to user space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Without being copied where both drivers can, else copied.
    #[default]
    Auto,
    /// Copied.
    Copy,
    /// Without being copied, or not at all.
    Zerocopy,
}

impl From<Mode> for TapMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Auto => Self::Auto,
            Mode::Copy => Self::Copy,
            Mode::Zerocopy => Self::ZeroCopy,
        }
    }
}

fn parse_frames(text: &str) -> Result<u32, String> {
    let range = netweir_agent::inline::TAP_FRAMES;
    match text.parse::<u32>() {
        Ok(frames) if range.contains(&frames) && frames.is_power_of_two() => Ok(frames),
        _ => Err(format!(
            "not a power of two from {} to {}",
            range.start(),
            range.end()
        )),
    }
}

fn parse_spin(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        spin if spin <= LONGEST_SPIN => Ok(spin),
        _ => Err("more than 10ms".to_owned()),
    }
}
