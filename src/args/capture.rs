//! What was typed of `capture`.

use std::{path::PathBuf, time::Duration};

use super::MeterArgs;
use crate::unit::{parse_bytes, parse_duration};

/// Arguments of `capture`.
#[derive(Debug, clap::Args)]
pub struct CaptureArgs {
    /// What is metered.
    #[command(flatten)]
    pub meter: MeterArgs,
    /// The file, which is replaced if it is there; `-` for standard output.
    #[arg(long, short = 'w', value_name = "FILE")]
    pub write: PathBuf,
    /// What is written, and how much.
    #[command(flatten)]
    pub bounds: BoundArgs,
}

/// What of the packets that come is written to a capture file, and how much.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct BoundArgs {
    /// Only what matches, such as 'tcp and (port 80 or port 443) and not host 10.0.0.1'.
    #[arg(long, value_name = "EXPRESSION")]
    pub filter: Option<String>,
    /// Only what rules give this label.
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// The file is complete with so many packets.
    #[arg(long, value_name = "N", requires = "write", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// The file is complete when it has so many bytes, such as 100kB or 10MB, or a packet more.
    #[arg(long, value_name = "BYTES", requires = "write", value_parser = parse_bytes)]
    pub size: Option<u64>,
    /// The file is complete after so long.
    #[arg(long, value_name = "DURATION", requires = "write", value_parser = parse_duration)]
    pub time: Option<Duration>,
    /// Begin another file when one has `--size` bytes, and keep the last N of them: FILE_00001, FILE_00002
    /// and so on, before the extension.
    #[arg(long, value_name = "N", requires_all = ["size", "write"], value_parser = clap::value_parser!(u32).range(1..))]
    pub ring: Option<u32>,
    /// So many bytes of each tapped frame are written; of sampled ones 256 at most.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, requires = "write")]
    pub snap: Option<u64>,
}
