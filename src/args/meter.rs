//! What was typed of what is counted, for commands that meter.

/// What is counted, and where.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CountArgs {
    /// An interface by name or pattern, `any`, or `default` for that of the default route; with
    /// `=HOOK` for a hook of its own. May be repeated.
    #[arg(
        long = "iface",
        visible_alias = "interface",
        short = 'i',
        value_name = "NAME[=HOOK]"
    )]
    pub interface: Vec<String>,
    /// Where packets are counted: auto, tc, xdp (receive only), or tracepoint (only while netweir runs).
    #[arg(long, value_name = "HOOK")]
    pub hook: Option<String>,
    /// In this network namespace, by name, path or process id. May be repeated.
    #[arg(long, value_name = "NAME|PATH|PID")]
    pub netns: Vec<String>,
    /// Count only what this filter admits, in the kernel; the rest is `filtered`.
    #[arg(long, value_name = "EXPRESSION")]
    pub only: Option<String>,
    /// Count one frame in N at random, and multiply the counts by N; the rest is `sampled`.
    #[arg(long, value_name = "N")]
    pub sampling: Option<String>,
}

/// Which interfaces are metered, and how.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MeterArgs {
    /// What is counted.
    #[command(flatten)]
    pub count: CountArgs,
    /// How often rates are worked out, such as 500ms or 1s.
    #[arg(long, value_name = "DURATION")]
    pub tick: Option<String>,
}
