//! The two interfaces of a bump in the wire.

use std::sync::{PoisonError, RwLock};

use anyhow::{Context, bail};
use netweir_agent::{
    Error, Netns,
    inline::Tap,
    pin::{self, Folder, Places},
    watch::{self, Device},
};
use netweir_flow::{Hook, Meter};

use super::hint::veth_hint;
use crate::{
    args::InlineArgs,
    config::Config,
    metering::{agent_settings, namespaces},
    rules::{Follower, Store},
    tapped::{Hello, VERSION},
};

/// An interface went away.
#[derive(Debug, thiserror::Error)]
#[error("{0} is gone: nothing crosses any more")]
pub(super) struct Gone(String);

/// Two interfaces.
pub(super) struct Bump {
    pub(super) folder: Folder,
    pub(super) netns: Netns,
    pub(super) ends: [Device; 2],
}

impl Bump {
    pub(super) fn find(config: &Config, args: &InlineArgs) -> anyhow::Result<Self> {
        if args.from == args.to {
            bail!("--from and --to are the same interface: frames cross between two");
        }
        let mut all = namespaces(config)?;
        let netns = all.pop().context("no network namespace")?;
        let ends = [
            watch::find(&netns, &args.from)?,
            watch::find(&netns, &args.to)?,
        ];
        for device in &ends {
            if device.loopback {
                bail!(
                    "{} is a loopback interface: nothing crosses it",
                    device.name
                );
            }
            if !device.up {
                bail!(
                    "{} is down: `ip link set {} up` first",
                    device.name,
                    device.name
                );
            }
        }
        if ends[0].mtu != ends[1].mtu {
            tracing::warn!(
                "{} has MTU {} and {} has {}: frames that are longer than the smaller one may be lost",
                args.from,
                ends[0].mtu,
                args.to,
                ends[1].mtu
            );
        }
        Ok(Self {
            folder: Folder::new(&config.pins),
            netns,
            ends,
        })
    }

    /// Lets frames cross; says whether they did not before.
    pub(super) fn attach(&self, config: &Config, closed: bool) -> anyhow::Result<bool> {
        let (_, _, rules) = Follower::start(Store::new(&config.rules.file))?;
        let settings = agent_settings(config, rules);
        let ends = self.ends.each_ref();
        let is_new = pin::attach_inline(&self.folder, &self.netns, ends, (&settings, closed));
        let is_new = is_new.map_err(|error| {
            let is_of_driver = matches!(error, Error::Attach { .. } | Error::Program { .. });
            let error = anyhow::Error::from(error);
            match is_of_driver {
                true => error.context(self.hint()),
                false => error,
            }
        })?;
        let is_generic = pin::is_inline_generic(&self.folder, &self.netns, &self.ends[0]);
        for device in &self.ends {
            if self.is_veth(device) {
                tracing::info!("{0} is a veth: {1}", device.name, veth_hint(is_generic));
            }
        }
        Ok(is_new)
    }

    /// What is said where the kernel refuses.
    pub(super) fn hint(&self) -> String {
        let [one, other] = self.ends.each_ref().map(|device| &device.name);
        let mut text = format!("frames cannot cross between {one} and {other}");
        if self.ends.iter().any(|device| self.is_veth(device)) {
            text += " (both ends of a veth pair need as many queues, and an MTU of at most 3500 on kernels \
                     before 6.3)";
        }
        text
    }

    pub(super) fn is_veth(&self, device: &Device) -> bool {
        netweir_agent::inline::driver(&self.netns, &device.name)
            .is_ok_and(|driver| driver == "veth")
    }

    /// The names that the interfaces are pinned under: those of the first time.
    pub(super) fn pinned(&self) -> [String; 2] {
        self.ends.each_ref().map(|device| {
            let pinned = pin::inline_name(&self.folder, &self.netns, device);
            pinned.unwrap_or_else(|| device.name.clone())
        })
    }

    pub(super) fn detach(&self) {
        let places = Places {
            known: std::slice::from_ref(&self.netns),
            others_are_gone: false,
        };
        for interface in self.pinned() {
            if let Err(error) = pin::detach(&self.folder, &interface, places) {
                tracing::warn!(interface, error = %format!("{:#}", anyhow::Error::new(error)), "not detached");
            }
        }
    }

    pub(super) fn hello(&self) -> Hello {
        Hello {
            version: VERSION,
            process: std::process::id(),
            netns: self.netns.inode(),
            ends: self
                .ends
                .each_ref()
                .map(|end| (end.ifindex, end.name.clone())),
            labels: Vec::new(),
        }
    }

    /// That this process has both interfaces, and no other one.
    pub(super) fn expect_both(&self, meter: &RwLock<Meter>) -> anyhow::Result<()> {
        let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
        for device in &self.ends {
            let mut held = meter.interfaces().map(|state| &state.interface);
            if !held.any(|held| held.id.ifindex == device.ifindex && held.hook == Hook::Inline) {
                bail!(
                    "{} cannot be taken over (see above): `netweir status` says who has it",
                    device.name
                );
            }
        }
        Ok(())
    }

    pub(super) fn say(&self, tap: &Tap) {
        let (threads, queues) = tap.shape();
        let [one, other] = self.ends.each_ref().map(|device| &device.name);
        let is_generic = pin::is_inline_generic(&self.folder, &self.netns, &self.ends[0]);
        let place = match is_generic {
            true => "behind their drivers (generic XDP)",
            false => "in their drivers (native XDP)",
        };
        let how = match (tap.is_zero_copy(), is_generic) {
            (true, _) => "without being copied",
            (false, true) => "copied",
            (false, false) => "copied (its drivers have no zero-copy, or it was not wanted)",
        };
        tracing::info!(
            queues = format!("{}+{}", queues[0], queues[1]),
            threads,
            "frames cross between {one} and {other} {place}; those that rules tap go by user space, {how}"
        );
    }

    /// That both interfaces are there.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let there = watch::list(&self.netns)?;
        for device in &self.ends {
            if !there.iter().any(|there| there.ifindex == device.ifindex) {
                return Err(Gone(device.name.clone()).into());
            }
        }
        Ok(())
    }
}
