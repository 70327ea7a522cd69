//! What was typed behind `attach`, `detach`, `status` and `map`.

use clap::Subcommand;

use super::{CountArgs, FormatArgs};

/// Arguments of `attach`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct AttachArgs {
    /// What is counted.
    #[command(flatten)]
    pub count: CountArgs,
    /// How XDP is entered: auto, native (in the driver) or generic.
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// Take over what an older version has pinned, while it counts on.
    #[arg(long)]
    pub upgrade: bool,
}

/// Arguments of `detach`.
#[derive(Clone, Debug, clap::Args)]
pub struct DetachArgs {
    /// An interface by the name that it was attached to by. May be repeated.
    #[arg(
        long = "iface",
        visible_alias = "interface",
        short = 'i',
        value_name = "NAME",
        required_unless_present = "all"
    )]
    pub interface: Vec<String>,
    /// All that are attached to.
    #[arg(long, conflicts_with = "interface")]
    pub all: bool,
    /// The interface is in this network namespace, by name, path or process id: for namespaces that have
    /// neither name nor process, on kernels without TCX.
    #[arg(long, value_name = "NAME|PATH|PID")]
    pub netns: Vec<String>,
    /// What cannot be found of its namespace is gone: only the pins are removed.
    #[arg(long)]
    pub gone: bool,
}

/// Arguments of `status`.
#[derive(Clone, Debug, clap::Args)]
pub struct StatusArgs {
    /// How it looks.
    #[command(flatten)]
    pub view: FormatArgs,
}

/// What to do with pinned maps.
#[derive(Debug, Subcommand)]
pub enum MapCommand {
    /// Print every entry as a JSON line, with typed fields. Counting goes on undisturbed.
    #[command(after_help = "Examples:\n  netweir map dump --iface eth0\n  \
        netweir map dump --iface eth0 COUNTERS EPOCH")]
    Dump(MapDumpArgs),
}

/// Arguments of `map dump`.
#[derive(Clone, Debug, clap::Args)]
pub struct MapDumpArgs {
    /// Of this interface, by the name that it was attached to by. May be repeated; all without it.
    #[arg(
        long = "iface",
        visible_alias = "interface",
        short = 'i',
        value_name = "NAME"
    )]
    pub interface: Vec<String>,
    /// These maps; all without them.
    #[arg(value_name = "MAP")]
    pub maps: Vec<String>,
}
