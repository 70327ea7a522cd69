//! What was typed.
//!
//! Flags that are settings are only collected here; [`crate::config`] says what they mean together
//! with the configuration file and the environment.

mod capture;
mod inline;
mod meter;
mod pin;
mod rule;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use capture::{BoundArgs, CaptureArgs};
pub use inline::{InlineArgs, Mode as InlineMode};
pub use meter::{CountArgs, MeterArgs};
pub use pin::{AttachArgs, DetachArgs, MapCommand, MapDumpArgs, StatusArgs};
pub use rule::{RuleAddArgs, RuleCommand, RuleTestArgs};

/// Who talks to whom, how much, how well: network telemetry by eBPF, with every packet accounted
/// for.
#[derive(Debug, Parser)]
#[command(
    name = "netweir",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = "Start with `netweir run` (as root) or `netweir replay FILE` (as anybody).")]
pub struct Args {
    /// The configuration file (TOML); `netweir config` shows every setting.
    #[arg(long, global = true, env = "NETWEIR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Change one setting, as in `--set flow.idle_timeout=30s`; may be repeated.
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How log lines look. `RUST_LOG` says which there are.
    #[arg(long, global = true, value_name = "text|json")]
    pub log_format: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Meter interfaces; serve the dashboard and the API.
    #[command(after_help = "Examples:\n  \
        netweir run                       the interface of the default route, on port 3000\n  \
        netweir run --iface 'eth*' --iface lo=tracepoint\n  \
        netweir run --iface any --hook tracepoint --listen 127.0.0.1:8080")]
    Run(RunArgs),
    /// Report the flows: who talks to whom, most bytes first.
    #[command(after_help = "Examples:\n  \
        netweir flows                     a table that redraws every second\n  \
        netweir flows --every 10s --count 1 --format json\n  \
        netweir flows --filter 'tcp and port 443 and not net 10.0.0.0/8' --connections\n  \
        netweir flows --group label       what was counted under each label of the rules\n  \
        netweir flows --only 'not port 22' --sampling 100 --accounting")]
    Flows(FlowsArgs),
    /// Report the addresses: what each sent and received.
    #[command(after_help = "Examples:\n  netweir ip --top 10 --resolve\n  \
        netweir ip --every 60s --format csv >> addresses.csv")]
    Ip(IpArgs),
    /// Report QUIC connections: versions, names, connection IDs, backends, round trips.
    #[command(after_help = "Examples:\n  \
        netweir quic                      a table that redraws every second\n  \
        netweir quic --every 10s --count 1 --format json\n  \
        netweir quic --set 'quic.layouts=telementry port=443'\n  \
        netweir quic --events             a line for each datagram with a long header")]
    Quic(QuicArgs),
    /// Write the packets that rules sample, or tap on the inline path, to a capture file (pcapng).
    #[command(after_help = "Examples:\n  \
        netweir rule add dns --destination-port 53 --both-ways --action 'sample 1'\n  \
        netweir capture -w dns.pcapng --label dns --count 1000\n  \
        netweir capture -w ring.pcapng --size 10MB --ring 5 --filter 'net 10.0.0.0/8'\n  \
        netweir capture -w - | tshark -r -\n  \
        netweir capture --iface eth1 -w health.pcapng    what rules tap, while `netweir inline` runs there\n\n\
        Of a sampled packet the first 256 bytes are written, of a tapped one all.")]
    Capture(CaptureArgs),
    /// Be a bump in the wire between two interfaces: frames cross in the kernel, and those that rules tap by
    /// user space, where they are recorded.
    #[command(after_help = "Examples:\n  \
        netweir rule add health --destination-port 8081 --both-ways --action tap\n  \
        netweir inline --from eth1 --to eth2 -w health.pcapng\n  \
        netweir detach --iface eth1 --iface eth2\n\n\
        Frames go on crossing when this ends or dies; `detach` ends that.")]
    Inline(InlineArgs),
    /// List what can be metered, and how.
    Interfaces(InterfacesArgs),
    /// Read capture files (pcap, pcapng; gzip and zstd too) through the same parser and views.
    #[command(after_help = "Examples:\n  netweir replay capture.pcapng\n  \
        netweir replay --by ip one.pcap two.pcap.zst\n  \
        netweir replay --by quic capture.pcapng\n  \
        netweir replay --rules rules.toml --by label capture.pcapng\n  \
        tcpdump -w - | netweir replay -")]
    Replay(ReplayArgs),
    /// Make traffic between two namespaces of its own, and show it like `run`.
    #[command(
        after_help = "Nothing outside the two namespaces is touched, and both are gone at \
        the end."
    )]
    Demo(DemoArgs),
    /// Check what this machine can do, each hook by trying it, and say how to mend what is missing.
    Doctor(DoctorArgs),
    /// Name parts of the traffic, sample them or drop them.
    #[command(after_help = "Examples:\n  \
        netweir rule add payments --destination 10.1.0.0/16 --destination-port 443 --both-ways\n  \
        netweir rule add suspect --source 203.0.113.7 --action drop\n  \
        netweir rule test 203.0.113.7:5000 10.1.2.3:443 --protocol tcp\n  \
        netweir rule export > rules.toml; netweir rule load rules.toml\n\n\
        Of the rules that match a packet, that with the longest prefixes decides, then that with the \
        highest priority, then the oldest.")]
    Rule {
        /// What to do with rules.
        #[command(subcommand)]
        command: RuleCommand,
    },
    /// Count without a process: load and attach the programs, and pin them. `run` takes over what is
    /// pinned, and leaves it so.
    #[command(after_help = "Examples:\n  \
        netweir attach                    the interface of the default route\n  \
        netweir attach --iface eth0 --hook xdp --mode native\n  \
        netweir status\n  \
        netweir run --iface eth0          shows what was counted, and drains it from now on\n  \
        netweir detach --iface eth0\n\n\
        Pins are in `pins.directory`, for each interface in a directory of its own.")]
    Attach(AttachArgs),
    /// Remove exactly what `attach` has made, also for an interface that is gone.
    Detach(DetachArgs),
    /// Show what is attached and pinned, since when, and what it has counted and lost.
    Status(StatusArgs),
    /// Look into the maps of what is pinned.
    Map {
        /// What to do with maps.
        #[command(subcommand)]
        command: MapCommand,
    },
    /// Show every setting that is in force, and where it comes from.
    Config,
    /// Print the completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the man pages into a folder (`cargo xtask man` calls this).
    #[command(hide = true)]
    Man {
        /// Where to.
        folder: PathBuf,
    },
}

/// How a list looks.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct FormatArgs {
    /// How it looks.
    #[arg(long, visible_alias = "output", value_enum, default_value_t)]
    pub format: Format,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl FormatArgs {
    /// How it looks.
    pub fn format(self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// Where the dashboard is.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ListenArgs {
    /// Address and port of dashboard and API.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// The port alone.
    #[arg(long, value_name = "PORT", conflicts_with = "listen")]
    pub port: Option<u16>,
}

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// What is metered.
    #[command(flatten)]
    pub meter: MeterArgs,
    /// Where it is served.
    #[command(flatten)]
    pub listen: ListenArgs,
}

/// What a report shows.
#[derive(Clone, Debug, clap::Args)]
pub struct ViewArgs {
    /// Show so many rows; 0 for all. A terminal has as many as fit.
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Order: bytes, packets, rate, first, last, source, destination, protocol, label.
    #[arg(long, default_value = "bytes", value_name = "KEY")]
    pub sort: String,
    /// Only what matches, such as 'tcp and (port 80 or port 443) and not host 10.0.0.1'.
    #[arg(long, value_name = "EXPRESSION")]
    pub filter: Option<String>,
    /// Show host names where the resolver knows them.
    #[arg(long)]
    pub resolve: bool,
    /// How it looks.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl ViewArgs {
    /// How it looks.
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// How often a report comes.
#[derive(Clone, Debug, clap::Args)]
pub struct EveryArgs {
    /// The time between reports.
    #[arg(long, default_value = "1s", value_parser = crate::unit::parse_duration, value_name = "DURATION")]
    pub every: std::time::Duration,
    /// End after so many reports.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

/// How a report looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON object for each row.
    Json,
    /// Comma-separated values with a heading.
    Csv,
}

/// Arguments of `flows`.
#[derive(Debug, clap::Args)]
pub struct FlowsArgs {
    /// What is metered.
    #[command(flatten)]
    pub meter: MeterArgs,
    /// What is shown.
    #[command(flatten)]
    pub view: ViewArgs,
    /// When it is shown.
    #[command(flatten)]
    pub every: EveryArgs,
    /// Both directions of a conversation in a row, with its duration.
    #[arg(long)]
    pub connections: bool,
    /// Instead of flows, what was counted in groups of them since the start.
    #[arg(long, value_enum, conflicts_with_all = ["connections", "filter", "resolve"])]
    pub group: Option<Group>,
    /// Instead of flows, where every packet went: a row for each direction of each interface.
    #[arg(long, conflicts_with_all = ["connections", "group", "top", "sort", "filter", "resolve"])]
    pub accounting: bool,
    /// Instead of reports, one JSON line for each record: a flow that ended, or one that goes on
    /// after the active time-out.
    #[arg(long, conflicts_with_all = ["connections", "accounting", "group", "top", "format", "json", "count"])]
    pub records: bool,
}

/// What flows can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// The label that rules give: packets, bytes, rate, flows, and what was dropped.
    Label,
}

/// Arguments of `ip`.
#[derive(Debug, clap::Args)]
pub struct IpArgs {
    /// What is metered.
    #[command(flatten)]
    pub meter: MeterArgs,
    /// What is shown.
    #[command(flatten)]
    pub view: ViewArgs,
    /// When it is shown.
    #[command(flatten)]
    pub every: EveryArgs,
}

/// Arguments of `quic`.
#[derive(Debug, clap::Args)]
pub struct QuicArgs {
    /// What is metered.
    #[command(flatten)]
    pub meter: MeterArgs,
    /// What is shown. `source` is the client, `destination` the server, `protocol` the version.
    #[command(flatten)]
    pub view: ViewArgs,
    /// When it is shown.
    #[command(flatten)]
    pub every: EveryArgs,
    /// Instead of reports, one line for each datagram that begins with a long header: time, ends,
    /// version, types, connection IDs, and what became of it.
    #[arg(long, conflicts_with_all = ["top", "sort", "filter", "resolve", "every", "count"])]
    pub events: bool,
}

/// Arguments of `interfaces`.
#[derive(Debug, clap::Args)]
pub struct InterfacesArgs {
    /// Look into this network namespace, by name, path or process id. May be repeated.
    #[arg(long, value_name = "NAME|PATH|PID")]
    pub netns: Vec<String>,
    /// How it looks.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What a replay shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// One row for each flow.
    #[default]
    Flow,
    /// One row for each conversation, both directions.
    Connection,
    /// One row for each address.
    Ip,
    /// One row for each QUIC connection.
    Quic,
    /// One row for each label of the rules.
    Label,
    /// One row for each interface of the files.
    Interface,
    /// One row for each direction of each interface: where every packet went.
    Accounting,
}

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// The capture files; `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What a row is.
    #[arg(long, value_enum, default_value_t)]
    pub by: By,
    /// What is shown.
    #[command(flatten)]
    pub view: ViewArgs,
    /// Let the rules of this file (as `netweir rule export` writes it) decide; nothing is dropped.
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Instead of a report, one line for each QUIC datagram that begins with a long header.
    #[arg(long, conflicts_with_all = ["by", "top", "sort", "filter", "resolve"])]
    pub events: bool,
}

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// How many seconds of traffic there are.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Where it is served.
    #[command(flatten)]
    pub listen: ListenArgs,
}

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// How it looks.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// The whole command line, for completions and the man page.
pub fn command() -> clap::Command {
    use clap::CommandFactory;
    Args::command()
}
