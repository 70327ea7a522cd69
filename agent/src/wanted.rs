//! Which interfaces of a namespace are wanted.

use crate::{
    Error, Netns,
    attach::HookChoice,
    choice::{Choice, Interfaces, hook_for},
    settings::Settings,
    watch::{Device, default_route, list},
};

impl Settings {
    /// The interfaces of a namespace that are wanted, each with its hook.
    ///
    /// # Errors
    /// One that was named does not exist, or the kernel does not tell.
    pub fn wanted(&self, netns: &Netns) -> Result<Vec<(Device, HookChoice)>, Error> {
        let devices = list(netns)?;
        let default = default_name(netns, &devices)?;
        check_choices(&self.choices, netns, (&devices, default.as_deref()))?;
        let wanted = devices.into_iter().filter_map(|device| {
            let is_default = default.as_ref() == Some(&device.name);
            let hook = hook_for(&self.choices, &device.name, is_default, self.hook)?;
            Some((device, hook))
        });
        Ok(wanted.collect())
    }
}

/// Whether every interface that was named is there.
pub(crate) fn check_choices(
    choices: &[Choice],
    netns: &Netns,
    (devices, default): (&[Device], Option<&str>),
) -> Result<(), Error> {
    for choice in choices {
        match &choice.interfaces {
            Interfaces::Default if default.is_none() => return Err(Error::NoDefaultRoute),
            Interfaces::Name(name) if !devices.iter().any(|device| device.name == *name) => {
                let netns = netns.to_string();
                return Err(Error::NoInterface {
                    name: name.clone(),
                    netns,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The name of the interface that the default route leads through.
pub(crate) fn default_name(netns: &Netns, devices: &[Device]) -> Result<Option<String>, Error> {
    let ifindex = default_route(netns)?;
    let device = devices
        .iter()
        .find(|device| Some(device.ifindex) == ifindex);
    Ok(device.map(|device| device.name.clone()))
}
