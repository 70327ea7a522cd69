//! `netweir attach` and `netweir detach`: counting without a process.

use std::io::{self, Write};

use anyhow::{Context, bail};
use netweir_agent::{
    Error, Netns, Settings,
    attach::HookChoice,
    pin::{self, Folder, Places},
    watch::Device,
};

use crate::{
    args::{AttachArgs, DetachArgs},
    config::Config,
    log::tell,
    metering::{agent_settings, namespaces},
    rules::{Follower, Store},
};

pub(super) fn attach(config: &Config, args: &AttachArgs) -> anyhow::Result<()> {
    let folder = Folder::new(&config.pins);
    let (_, _, rules) = Follower::start(Store::new(&config.rules.file))?;
    let settings = agent_settings(config, rules);
    let namespaces = namespaces(config)?;
    let mut wanted = Vec::new();
    for netns in &namespaces {
        for (device, choice) in settings.wanted(netns)? {
            wanted.push((netns, device, choice));
        }
    }
    if wanted.is_empty() {
        bail!("no interface is wanted; `netweir interfaces` lists those that there are");
    }
    each(wanted, |(netns, device, choice)| {
        if args.upgrade && upgrade(&folder, (netns, &device.name), &settings)? {
            return say(&format!("{}: taken over", device.name));
        }
        attach_one(&folder, (netns, &device), &settings, choice)
    })
}

/// Takes over what an older version has pinned; says whether there was something.
fn upgrade(
    folder: &Folder,
    (netns, interface): (&Netns, &str),
    settings: &Settings,
) -> anyhow::Result<bool> {
    match folder.claim(interface)? {
        Some(claim) => Ok(pin::upgrade(&claim, netns, settings)?),
        None => Ok(false),
    }
}

fn attach_one(
    folder: &Folder,
    (netns, device): (&Netns, &Device),
    settings: &Settings,
    choice: HookChoice,
) -> anyhow::Result<()> {
    let hook = pin::attach(folder, (netns, device), settings, choice)?;
    say(&format!(
        "{}: attached with {hook}, pinned in {}",
        device.name,
        folder.of(&device.name).display()
    ))
}

pub(super) fn detach(config: &Config, args: &DetachArgs) -> anyhow::Result<()> {
    let folder = Folder::new(&config.pins);
    let interfaces = if args.all {
        folder.interfaces()?
    } else {
        args.interface.clone()
    };
    let known: Vec<Netns> = args
        .netns
        .iter()
        .map(|name| Netns::from_choice(name))
        .collect::<Result<_, _>>()?;
    let places = Places {
        known: &known,
        others_are_gone: args.gone,
    };
    each(interfaces, |interface| {
        let detached = pin::detach(&folder, &interface, places);
        // Files of others stay behind, and nothing of ours.
        if matches!(detached, Ok(()) | Err(Error::ForeignFiles { .. })) {
            say(&format!("{interface}: detached"))?;
        }
        Ok(detached?)
    })
}

/// Puts the rules that were changed in force in what is pinned and used by no agent. An agent sees to
/// that itself; who may not look at pins has none.
pub(super) fn refresh_rules(config: &Config) -> anyhow::Result<()> {
    let (_, _, rules) = Follower::start(Store::new(&config.rules.file))?;
    let settings = agent_settings(config, rules);
    match pin::refresh_rules(&Folder::new(&config.pins), &settings) {
        Ok(used) => {
            for (interface, by) in used {
                tell(&format!(
                    "the pins of {interface} are in use by {by}: there the rules are in force \
                     when it follows {}",
                    config.rules.file.display()
                ));
            }
            Ok(())
        }
        Err(Error::NotPermitted | Error::NoBpffs { .. }) => Ok(()),
        Err(error) => Err(error).context("cannot put the rules in force in what is pinned"),
    }
}

/// Does the same for each, also when it fails for one; all that went wrong is told.
fn each<T>(
    all: impl IntoIterator<Item = T>,
    mut act: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let errors: Vec<String> = all
        .into_iter()
        .filter_map(|one| act(one).err())
        .map(|error| format!("{error:#}"))
        .collect();
    match errors.as_slice() {
        [] => Ok(()),
        [one] => bail!("{one}"),
        several => bail!("{} went wrong:\n  {}", several.len(), several.join("\n  ")),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout().lock(), "{line}")?)
}
