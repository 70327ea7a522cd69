//! What is in force: defaults, configuration file, environment and flags, in this rising order.
//!
//! Every setting passes through the layers as text and is given its type once, at the end, so that
//! all layers understand the same and an error names the setting and who set it.

pub(crate) mod file;
mod quic;
mod read;
mod setting;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use netweir_agent::{
    Choice, Interfaces,
    attach::{HookChoice, MapSizes, Modes},
};
use netweir_flow::{InterfaceId, KernelFilter};
use netweir_wire::map::{MAX_COUNTERS, PORT_HTTP, PORT_HTTPS, PORT_QUIC, PortClasses};

use crate::args::{Args, AttachArgs, CountArgs, InlineArgs, ListenArgs, MeterArgs};
pub use quic::{QuicConfig, QuicPorts};
use read::{
    address, choice, duration, hook, items, list, log_format, only, path, port, tc_mode, tick,
    within, xdp_choice,
};
use setting::{SETTINGS, Source, variable};

/// Where the configuration file is if nobody names one.
const DEFAULT_FILE: &str = "/etc/netweir/netweir.toml";

/// Characters of a wrong value that an error repeats.
const LONGEST_SHOWN: usize = 80;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Every setting, validated.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which interfaces.
    pub choices: Vec<Choice>,
    /// Interfaces that are none of them all the same. No setting: a command may know who else tells of them.
    pub except: Vec<InterfaceId>,
    /// In which network namespaces; empty for the own.
    pub netns: Vec<String>,
    /// The hook for interfaces without one of their own.
    pub hook: HookChoice,
    /// How TC and XDP are entered.
    pub modes: Modes,
    /// The time between two ticks.
    pub tick: Duration,
    /// What is counted; everything where there is none.
    pub only: Option<KernelFilter>,
    /// One frame in so many is counted.
    pub sampling: u32,
    /// Where the API is.
    pub listen: SocketAddr,
    /// Host names that the API answers to.
    pub allowed_hosts: Vec<String>,
    /// The file with the token of the API; without one, a token is made at start.
    pub token_file: Option<PathBuf>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Port lists of the applications: HTTP, HTTPS.
    pub ports: [Vec<u16>; 2],
    /// Where QUIC is looked for, and what is kept of it.
    pub quic: QuicConfig,
    /// Sizes of the kernel maps.
    pub maps: MapSizes,
    /// Idle time-out of flows.
    pub idle_timeout: Duration,
    /// Active time-out of flows.
    pub active_timeout: Duration,
    /// Flows in memory at most.
    pub max_flows: usize,
    /// Addresses in memory at most.
    pub max_hosts: usize,
    /// Where rules are, and how much they may tell.
    pub rules: RulesConfig,
    /// Where interfaces are pinned.
    pub pins: PathBuf,
}

/// Where rules are, and how much they may tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesConfig {
    /// The file in which they last.
    pub file: PathBuf,
    /// Heads of packets that they may sample on each CPU in a second; 0 for none.
    pub heads_per_second: u32,
    /// Heads that are kept for who looks. No setting: who writes them down keeps more.
    pub max_heads: usize,
}

/// The text of every setting, and who set it.
pub struct Layers {
    values: BTreeMap<&'static str, (String, Source)>,
}

impl Layers {
    /// Reads configuration file, environment and the flags that all commands share.
    ///
    /// # Errors
    /// The file cannot be read or has an error (with its line), or a flag names no setting.
    pub fn read(args: &Args) -> anyhow::Result<Self> {
        let defaults = SETTINGS
            .iter()
            .map(|setting| (setting.key, (setting.default.to_owned(), Source::default())));
        let mut layers = Self {
            values: defaults.collect(),
        };
        layers.read_file(args.config.as_deref())?;
        layers.read_environment();
        layers.put_flags(args)?;
        Ok(layers)
    }

    fn put_flags(&mut self, args: &Args) -> anyhow::Result<()> {
        for assignment in &args.set {
            let (key, value) = assignment
                .split_once('=')
                .with_context(|| format!("--set {assignment}: write it as KEY=VALUE"))?;
            self.put(key, value.to_owned(), Source::Flag("--set"))?;
        }
        self.put_some("log_format", args.log_format.as_ref(), "--log-format")
    }

    fn read_file(&mut self, path: Option<&Path>) -> anyhow::Result<()> {
        let named = path.is_some();
        let path = path.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match file::read(path) {
            Ok(text) => text,
            Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read the configuration {}", path.display()));
            }
        };
        self.put_file(&path.display().to_string(), &text)
    }

    fn put_file(&mut self, path: &str, text: &str) -> anyhow::Result<()> {
        for entry in file::parse(path, text)? {
            let source = Source::File {
                path: path.to_owned(),
                line: entry.line,
            };
            self.put(&entry.key, entry.value, source)?;
        }
        Ok(())
    }

    fn read_environment(&mut self) {
        for (key, place) in &mut self.values {
            let variable = variable(key);
            if let Ok(value) = std::env::var(&variable) {
                *place = (value, Source::Environment(variable));
            }
        }
    }

    fn put(&mut self, key: &str, value: String, source: Source) -> anyhow::Result<()> {
        let place = self.values.get_mut(key);
        let place = place.ok_or_else(|| {
            anyhow!("{source} {key}: there is no such setting; `netweir config` lists them")
        })?;
        *place = (value, source);
        Ok(())
    }

    fn put_some(
        &mut self,
        key: &str,
        value: Option<&String>,
        flag: &'static str,
    ) -> anyhow::Result<()> {
        value.map_or(Ok(()), |value| {
            self.put(key, value.clone(), Source::Flag(flag))
        })
    }

    fn put_list(&mut self, key: &str, values: &[String], flag: &'static str) -> anyhow::Result<()> {
        let value = (!values.is_empty()).then(|| values.join(","));
        self.put_some(key, value.as_ref(), flag)
    }

    /// Adds the flags that say what is metered.
    ///
    /// # Errors
    /// None today; flags that name settings of their own cannot be wrong here.
    pub fn with_meter(self, args: &MeterArgs) -> anyhow::Result<Self> {
        let mut layers = self.with_count(&args.count)?;
        layers.put_some("tick", args.tick.as_ref(), "--tick")?;
        Ok(layers)
    }

    /// Adds the flags that say what is attached to without a daemon, and how.
    ///
    /// # Errors
    /// None today, as of [`Self::with_meter`].
    pub fn with_attach(self, args: &AttachArgs) -> anyhow::Result<Self> {
        let mut layers = self.with_count(&args.count)?;
        layers.put_some("xdp", args.mode.as_ref(), "--mode")?;
        Ok(layers)
    }

    /// Adds the flags of the inline path that are settings.
    ///
    /// # Errors
    /// As of [`Self::with_listen`].
    pub fn with_inline(mut self, args: &InlineArgs) -> anyhow::Result<Self> {
        self.put_some("xdp", args.xdp.as_ref(), "--xdp")?;
        self.with_listen(&args.listen)
    }

    fn with_count(mut self, args: &CountArgs) -> anyhow::Result<Self> {
        self.put_list("interface", &args.interface, "--iface")?;
        self.put_list("netns", &args.netns, "--netns")?;
        self.put_some("hook", args.hook.as_ref(), "--hook")?;
        self.put_some("only", args.only.as_ref(), "--only")?;
        self.put_some("sampling", args.sampling.as_ref(), "--sampling")?;
        Ok(self)
    }

    /// Adds the flags that say where the dashboard is.
    ///
    /// # Errors
    /// `--port` is given, and the address that it belongs to is none.
    pub fn with_listen(mut self, args: &ListenArgs) -> anyhow::Result<Self> {
        self.put_some("listen", args.listen.as_ref(), "--listen")?;
        if let Some(port) = args.port {
            let mut listen: SocketAddr = self.typed("listen", address)?;
            listen.set_port(port);
            self.put("listen", listen.to_string(), Source::Flag("--port"))?;
        }
        Ok(self)
    }

    /// Gives a setting its type; an error names the setting, its value and who set it.
    fn typed<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let (value, source) = self
            .values
            .get(key)
            .with_context(|| format!("there is no setting {key}"))?;
        let shown = quic::masked(key, value);
        let shown: String = shown.chars().take(LONGEST_SHOWN).collect();
        read(value).with_context(|| format!("{key} = {shown:?} ({source})"))
    }

    /// Every setting, typed.
    ///
    /// # Errors
    /// A value that cannot be understood, with who set it.
    pub fn config(&self) -> anyhow::Result<Config> {
        let config = Config {
            choices: self.typed("interface", |text| list(text, choice))?,
            except: Vec::new(),
            netns: self.typed("netns", |text| list(text, |item| Ok(item.to_owned())))?,
            hook: self.typed("hook", hook)?,
            modes: Modes {
                tc: self.typed("tc", tc_mode)?,
                xdp: self.typed("xdp", xdp_choice)?,
            },
            tick: self.typed("tick", tick)?,
            only: self.typed("only", only)?,
            sampling: self.typed("sampling", |text| within(text, 1, 65_536))?,
            listen: self.typed("listen", address)?,
            allowed_hosts: self.typed("allowed_hosts", |text| {
                list(text, |item| Ok(item.to_owned()))
            })?,
            token_file: self.typed("api.token_file", |text| {
                Ok((!text.is_empty()).then(|| PathBuf::from(text)))
            })?,
            log_format: self.typed("log_format", log_format)?,
            ports: [
                self.typed("ports.http", |text| list(text, port))?,
                self.typed("ports.https", |text| list(text, port))?,
            ],
            maps: MapSizes {
                cache: self.typed("maps.cache", |text| within(text, 0, 16_777_216))?,
                ring: self.typed("maps.ring", |text| within(text, 0, 1 << 30))?,
                flows: self.typed("maps.flows", |text| within(text, 16, 16_777_216))?,
                quic: self.typed("maps.quic", |text| within(text, 0, 1 << 30))?,
                interfaces: self.typed("maps.interfaces", |text| within(text, 2, MAX_COUNTERS))?,
            },
            quic: self.quic()?,
            idle_timeout: self.typed("flow.idle_timeout", duration)?,
            active_timeout: self.typed("flow.active_timeout", duration)?,
            max_flows: self.typed("flow.max_flows", |text| within(text, 1, 100_000_000))? as usize,
            max_hosts: self.typed("flow.max_hosts", |text| within(text, 1, 100_000_000))? as usize,
            rules: RulesConfig {
                file: self.typed("rules.file", path)?,
                heads_per_second: self
                    .typed("rules.heads_per_second", |text| within(text, 0, 1_000_000))?,
                max_heads: netweir_flow::Settings::default().max_heads,
            },
            pins: self.typed("pins.directory", |text| Ok(PathBuf::from(text)))?,
        };
        if config.choices.is_empty() {
            bail!("interface is empty: name at least one, or use default");
        }
        Ok(config)
    }
}

impl std::fmt::Display for Layers {
    /// As a configuration file that sets the same, with who set each.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = "";
        for setting in &SETTINGS {
            let (value, source) = &self.values[setting.key];
            let (in_table, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
            if in_table != table {
                writeln!(f, "\n[{in_table}]")?;
                table = in_table;
            }
            writeln!(f, "# {} ({source})", setting.help)?;
            let value = &quic::masked(setting.key, value);
            if setting.help.starts_with("list:") {
                let items: Vec<String> = items(value).map(toml_value).collect();
                writeln!(f, "{name} = [{}]", items.join(", "))?;
            } else {
                writeln!(f, "{name} = {}", toml_value(value))?;
            }
        }
        Ok(())
    }
}

/// As [`Layers`] are displayed: without keys.
impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A value as it is written in the file: numbers bare, all else in quotes.
fn toml_value(text: &str) -> String {
    match text.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => format!("{text:?}"),
    }
}

impl Config {
    /// The port lists as the kernel has them.
    pub fn port_classes(&self) -> Box<PortClasses> {
        let mut classes = Box::new(PortClasses { bits: [0; 65536] });
        for (ports, bit) in self.ports.iter().zip([PORT_HTTP, PORT_HTTPS]) {
            for &port in ports {
                classes.bits[usize::from(port)] |= bit;
            }
        }
        for port in self.quic.ports.iter() {
            classes.bits[usize::from(port)] |= PORT_QUIC;
        }
        classes
    }

    /// Whether every interface is wanted, of whichever namespace.
    pub fn is_everything(&self) -> bool {
        self.netns.is_empty()
            && self
                .choices
                .iter()
                .any(|choice| matches!(choice.interfaces, Interfaces::Any))
    }
}

#[cfg(test)]
mod tests;
