//! Pins that an agent has taken over: it drains them, and leaves them as they are.

use netweir_flow::{Hook, rule::CompiledRules};
use netweir_wire::{
    map::{About, FilterProgram, LayoutProgram, Phase},
    name, version,
};

use super::{
    Claim, Folder, Pins, State,
    about::{is_generic, keys},
    hook, migrate,
};
use crate::{Error, Netns, Settings, collect::Collector, netlink::Netlink, watch::Device};

/// Pins that this process has taken over.
pub struct Pinned {
    about: About,
    /// What collects from the maps.
    pub collector: Collector,
    /// Held as long as that does.
    _claim: Claim,
}

impl Pinned {
    /// Takes over what is pinned of an interface, by an older version too; `None` where nothing is.
    ///
    /// # Errors
    /// [`Error::PinsBusy`] while another process has it, [`Error::PinnedOtherwise`] where it counts
    /// otherwise than the settings want, or it cannot be read.
    pub fn take(
        folder: &Folder,
        (netns, device): (&Netns, &Device),
        settings: &Settings,
    ) -> Result<Option<Self>, Error> {
        let claim = match name_of(folder, netns, device) {
            Some(name) => folder.claim(&name)?,
            None => None,
        };
        let Some(claim) = claim else {
            return Ok(None);
        };
        if migrate::upgrade(&claim, netns, settings)? {
            tracing::info!(
                interface = device.name,
                "pins of an older version were taken over"
            );
        }
        let State::Attached(pins) = claim.state(std::slice::from_ref(netns))? else {
            return Ok(None);
        };
        let about = pins.about()?;
        if (about.netns, about.ifindex) != (netns.inode(), device.ifindex) {
            return Ok(None);
        }
        check(&pins, &about, settings)?;
        let mut collector = pins.collector(&about)?;
        if is_generic(&about) {
            let netlink = netns.enter(Netlink::open)?.map_err(Error::Netlink)?;
            collector.ask_for_drops(netlink);
        }
        let mut pinned = Self {
            about,
            collector,
            _claim: claim,
        };
        pinned.rename(&device.name, settings)?;
        if let Some(rules) = settings.rules.latest() {
            pinned.set_rules(rules, &device.name)?;
        }
        Ok(Some(pinned))
    }

    /// The hook that it counts at.
    pub fn hook(&self) -> Hook {
        hook(&self.about)
    }

    /// Puts other rules in force.
    ///
    /// # Errors
    /// A map cannot be written: then the rules from before stay in force.
    pub fn set_rules(&mut self, rules: &CompiledRules, interface: &str) -> Result<(), Error> {
        let before = self.collector.rules_generation();
        let number = rules.interface_number(interface);
        if self.collector.has_rules(rules)? && self.has_number(number, before)? {
            return Ok(());
        }
        let generation = before.checked_add(1).unwrap_or(2);
        self.collector.write_rules(rules, generation)?;
        for key in keys(&self.about) {
            let mut names = self.collector.interface_names(key)?;
            names.rules[(generation & 1) as usize] = number;
            self.collector.add_named_interface(key, names)?;
        }
        self.collector.enforce_rules(generation);
        Ok(())
    }

    /// Whether the rules of a generation know the interface by this number.
    fn has_number(&self, number: u32, generation: u32) -> Result<bool, Error> {
        for key in keys(&self.about) {
            let names = self.collector.interface_names(key)?;
            if generation != 0 && names.rules[(generation & 1) as usize] != number {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells filter and rules in the kernel what the interface is called now.
    ///
    /// # Errors
    /// A map cannot be written.
    pub fn rename(&mut self, interface: &str, settings: &Settings) -> Result<(), Error> {
        let filter = settings.names(interface).filter;
        let rules = settings.rules.latest();
        let side = (self.collector.rules_generation() & 1) as usize;
        for key in keys(&self.about) {
            let mut names = self.collector.interface_names(key)?;
            names.filter = filter;
            if let Some(rules) = rules
                && self.collector.has_rules(rules)?
            {
                names.rules[side] = rules.interface_number(interface);
            }
            self.collector.add_named_interface(key, names)?;
        }
        Ok(())
    }
}

/// Puts rules in force in what is pinned and used by no other process, each interface by the name that
/// it has there. Returns the interfaces that another one uses, each with what uses it: that has to follow
/// the rules itself.
///
/// # Errors
/// A map cannot be used; the others have the rules all the same.
pub fn refresh_rules(folder: &Folder, settings: &Settings) -> Result<Vec<(String, String)>, Error> {
    let mut used = Vec::new();
    let Some(rules) = settings.rules.latest() else {
        return Ok(used);
    };
    let mut result = Ok(());
    for interface in folder.interfaces()? {
        match refresh_one(folder, &interface, rules) {
            Err(Error::PinsBusy { interface, by }) => used.push((interface, by)),
            refreshed => result = result.and(refreshed),
        }
    }
    result.map(|()| used)
}

fn refresh_one(folder: &Folder, interface: &str, rules: &CompiledRules) -> Result<(), Error> {
    let Some(claim) = folder.try_claim(interface)? else {
        return Ok(());
    };
    let State::Attached(pins) = claim.state(&[])? else {
        return Ok(());
    };
    let about = pins.about()?;
    let mut pinned = Pinned {
        about,
        collector: pins.collector(&about)?,
        _claim: claim,
    };
    pinned.set_rules(rules, interface)
}

/// The name under which something is pinned that counts at an interface, whatever that is called by now.
/// Who may not look finds nothing.
pub(super) fn name_of(folder: &Folder, netns: &Netns, device: &Device) -> Option<String> {
    let all = folder.interfaces().unwrap_or_else(|error| {
        tracing::debug!(%error, "no pins can be looked for");
        Vec::new()
    });
    let by_name = all.iter().filter(|name| **name == device.name);
    let others = all.iter().filter(|name| **name != device.name);
    let mut names = by_name.chain(others);
    let found = names.find(|name| is_of(folder, name, (netns, device)))?;
    Some(found.clone())
}

/// Whether what is pinned under a name counts at this interface.
fn is_of(folder: &Folder, name: &str, (netns, device): (&Netns, &Device)) -> bool {
    let all = folder.pins(name).unwrap_or_default();
    let is_named_so = name == device.name;
    let is_it = |pins: &Pins| {
        let Ok(about) = pins.about() else {
            // What is wrong with it is to be told.
            return is_named_so;
        };
        if (about.netns, about.ifindex) != (netns.inode(), device.ifindex) {
            return false;
        }
        let is_whole = about.phase != Phase::Making as u32 && pins.abi() <= version::ABI;
        !is_whole || pins.is_hanging(&about, Some(netns)) != Some(false)
    };
    let found = all.iter().any(is_it);
    if is_named_so && !found && !all.is_empty() {
        tracing::info!(
            interface = device.name,
            "what is pinned under this name is of another interface"
        );
    }
    found
}

/// Whether it counts as the settings want it.
fn check(pins: &Pins, about: &About, settings: &Settings) -> Result<(), Error> {
    let otherwise = |what: String| {
        Err(Error::PinnedOtherwise {
            interface: pins.interface().to_owned(),
            what,
        })
    };
    if about.sampling != settings.sampling {
        return otherwise(format!("sampling = {}", about.sampling));
    }
    let wanted = settings.only.as_ref().map(|only| &only.program);
    let found = match about.filters {
        0 => None,
        _ => Some(pins.first_as::<FilterProgram>(name::FILTER)?),
    };
    if wanted != found.as_ref() {
        let which = if found.is_some() { "another" } else { "no" };
        return otherwise(format!("{which} filter (only)"));
    }
    let found = match about.layouts {
        0 => None,
        _ => Some(pins.first_as::<LayoutProgram>(name::LAYOUT)?),
    };
    if settings.quic.layouts.as_deref() != found.as_ref() {
        let which = if found.is_some() { "other" } else { "no" };
        return otherwise(format!("{which} quic.layouts"));
    }
    Ok(())
}
