//! The settings one by one: name, default, meaning; and which layer set which.

/// One setting.
pub(super) struct Setting {
    /// Its name in the file, with the tables in front: `flow.idle_timeout`.
    pub(super) key: &'static str,
    /// Its value where nobody says anything; the items of a list are separated by commas.
    pub(super) default: &'static str,
    /// What it means.
    pub(super) help: &'static str,
}

/// Every setting, in the order in which `netweir config` shows them.
pub(super) const SETTINGS: [Setting; 33] = [
    Setting {
        key: "interface",
        default: "default",
        help: "list: names, patterns, any, default; each with =HOOK for a hook of its own",
    },
    Setting {
        key: "netns",
        default: "",
        help: "list: network namespaces by name, path or process id; empty for the own",
    },
    Setting {
        key: "hook",
        default: "auto",
        help: "auto, tc, xdp or tracepoint",
    },
    Setting {
        key: "tc",
        default: "auto",
        help: "how TC is entered: auto, tcx or clsact",
    },
    Setting {
        key: "xdp",
        default: "auto",
        help: "how XDP is entered: auto, native or generic",
    },
    Setting {
        key: "tick",
        default: "1s",
        help: "how often rates are worked out",
    },
    Setting {
        key: "only",
        default: "",
        help: "count only what this filter admits, in the kernel; the rest is `filtered`",
    },
    Setting {
        key: "sampling",
        default: "1",
        help: "count one frame in so many at random, 1 to 65536; counts are multiplied by it",
    },
    Setting {
        key: "listen",
        default: "127.0.0.1:3000",
        help: "where dashboard and API are",
    },
    Setting {
        key: "allowed_hosts",
        default: "",
        help: "list: host names, beside localhost and addresses, that the API answers to",
    },
    Setting {
        key: "log_format",
        default: "text",
        help: "text or json",
    },
    Setting {
        key: "api.token_file",
        default: "",
        help: "the file with the token for changing rules over the API; empty for one that is made at start",
    },
    Setting {
        key: "ports.http",
        default: "80",
        help: "list: TCP ports counted as HTTP",
    },
    Setting {
        key: "ports.https",
        default: "443",
        help: "list: TCP ports counted as HTTPS",
    },
    Setting {
        key: "ports.quic",
        default: "443,4433,8000",
        help: "list: UDP ports on which QUIC is looked for, or any; empty for none",
    },
    Setting {
        key: "maps.cache",
        default: "131072",
        help: "flows in the caches of all CPUs between two drains (4 in a tick); 0 for no cache",
    },
    Setting {
        key: "maps.flows",
        default: "65536",
        help: "flows beyond the cache between two drains",
    },
    Setting {
        key: "maps.ring",
        default: "1048576",
        help: "bytes of the ring buffer for what finds no room there either; 0 for none",
    },
    Setting {
        key: "maps.interfaces",
        default: "1024",
        help: "interfaces in the kernel, each direction counting as one",
    },
    Setting {
        key: "maps.quic",
        default: "4194304",
        help: "bytes of the ring buffer for what the kernel tells of QUIC; 0 for no QUIC there",
    },
    Setting {
        key: "quic.layouts",
        default: "",
        help: "list: what connection IDs name, such as telementry port=443; keys are not shown here",
    },
    Setting {
        key: "quic.idle_timeout",
        default: "60s",
        help: "a silent QUIC connection ends after it",
    },
    Setting {
        key: "quic.unanswered_timeout",
        default: "10s",
        help: "the same for one that no server has answered, and for a guess",
    },
    Setting {
        key: "quic.max_connections",
        default: "65536",
        help: "proven and matched QUIC connections in memory at most; half of it for unanswered ones",
    },
    Setting {
        key: "quic.max_guesses",
        default: "16384",
        help: "guessed ones at most",
    },
    Setting {
        key: "quic.max_hello_memory",
        default: "67108864",
        help: "bytes of incomplete ClientHellos in memory at most",
    },
    Setting {
        key: "flow.idle_timeout",
        default: "60s",
        help: "a silent flow ends after it",
    },
    Setting {
        key: "flow.active_timeout",
        default: "30m",
        help: "a lasting flow is reported after it",
    },
    Setting {
        key: "flow.max_flows",
        default: "1000000",
        help: "flows in memory at most",
    },
    Setting {
        key: "flow.max_hosts",
        default: "500000",
        help: "addresses in memory at most",
    },
    Setting {
        key: "rules.file",
        default: "/var/lib/netweir/rules.toml",
        help: "the file in which the rules last; `netweir rule` changes it, and the agent follows it",
    },
    Setting {
        key: "rules.heads_per_second",
        default: "1000",
        help: "heads of packets that rules may sample on each CPU in a second; 0 for none",
    },
    Setting {
        key: "pins.directory",
        default: "/sys/fs/bpf/netweir",
        help: "where `netweir attach` pins what counts without a process, on a BPF file system",
    },
];

/// Who gave a setting its value; later ones overrule earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// Nobody.
    #[default]
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment(String),
    /// A flag.
    Flag(&'static str),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(variable) => write!(f, "${variable}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The variable of the environment for a setting: `NETWEIR_FLOW_IDLE_TIMEOUT`.
pub(super) fn variable(key: &str) -> String {
    format!("NETWEIR_{}", key.replace('.', "_").to_uppercase())
}
