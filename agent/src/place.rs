//! One network namespace: its interfaces, and what is attached to them.

use std::{collections::HashMap, os::fd::BorrowedFd};

use netweir_flow::{Hook, Interface, InterfaceId, Meter};
use netweir_wire::map::{Direction, InterfaceKey};

use crate::{
    Error, Netns,
    agent::Settings,
    attach::{Attachment, HookChoice, Object, Purpose},
    choice::{Interfaces, hook_for},
    collect::Collector,
    error::Chain,
    tracer::Tracer,
    watch::{Change, Device, Watch, default_route},
};

/// One network namespace.
pub(crate) struct Place {
    netns: Netns,
    watch: Watch,
    /// The load of the programs whose interfaces are this namespace's; made when first needed.
    metered: Option<(Object, Collector)>,
    attached: HashMap<u32, Attached>,
    /// Name of the interface that the default route led through at the start.
    default: Option<String>,
    /// Whether it was said that the map of interfaces is full.
    is_full: bool,
}

/// How an interface is metered.
enum Attached {
    Here(Attachment),
    Traced,
}

/// What all places share while interfaces are attached.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) tracer: &'a mut Option<Tracer>,
    pub(crate) meter: &'a mut Meter,
}

impl Place {
    /// Attaches to the interfaces of a namespace that are wanted.
    pub(crate) fn open(netns: Netns, context: &mut Context<'_>) -> Result<Self, Error> {
        let (watch, devices) = Watch::open(&netns)?;
        let default = default_name(&netns, &devices)?;
        let mut place = Self {
            netns,
            watch,
            metered: None,
            attached: HashMap::new(),
            default,
            is_full: false,
        };
        place.check_choices(&devices, context.settings)?;
        let mut refused = Vec::new();
        for device in &devices {
            match place.came(device, context) {
                Ok(()) => {}
                Err(error @ Error::NotPermitted) => return Err(error),
                Err(error) => refused.push((&device.name, error)),
            }
        }
        if place.attached.is_empty()
            && let Some((_, error)) = refused.pop()
        {
            return Err(error);
        }
        for (interface, error) in refused {
            place.tell(interface, &error);
        }
        Ok(place)
    }

    /// Says that an interface is not metered; that the map is full, only once.
    fn tell(&mut self, interface: &str, error: &Error) {
        match error {
            error if error.is_gone() => {
                tracing::debug!(interface, "gone before it could be metered");
            }
            Error::InterfaceMapFull if std::mem::replace(&mut self.is_full, true) => {
                tracing::debug!(interface, error = %Chain(error), "not metered");
            }
            error => tracing::warn!(interface, error = %Chain(error), "not metered"),
        }
    }

    /// Whether every interface that was named is there.
    fn check_choices(&self, devices: &[Device], settings: &Settings) -> Result<(), Error> {
        for choice in &settings.choices {
            match &choice.interfaces {
                Interfaces::Default if self.default.is_none() => return Err(Error::NoDefaultRoute),
                Interfaces::Name(name) if !devices.iter().any(|device| device.name == *name) => {
                    let netns = self.netns.to_string();
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

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Follows the interfaces that came and went.
    pub(crate) fn follow(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        for change in self.watch.changes(&self.netns)? {
            match change {
                Change::Came(device) => {
                    if let Err(error) = self.came(&device, context) {
                        self.tell(&device.name, &error);
                    }
                }
                Change::Gone(ifindex) => self.gone(ifindex, context),
            }
        }
        Ok(())
    }

    fn came(&mut self, device: &Device, context: &mut Context<'_>) -> Result<(), Error> {
        let settings = context.settings;
        let is_default = self.default.as_ref() == Some(&device.name);
        let hook = hook_for(&settings.choices, &device.name, is_default, settings.hook);
        // One that is attached to keeps being metered, whatever its name is now.
        let choice = match (hook, self.attached.get(&device.ifindex)) {
            (Some(choice), _) => choice,
            (None, Some(_)) => settings.hook,
            (None, None) => return Ok(()),
        };
        if !self.watch.has(&self.netns, device.ifindex)? {
            return Ok(());
        }
        let hook = match self.attached.get(&device.ifindex) {
            // It has another name now, nothing more.
            Some(Attached::Here(attachment)) => {
                let hook = attachment.hook;
                self.rename(device, context)?;
                hook
            }
            Some(Attached::Traced) => {
                self.rename(device, context)?;
                Hook::Tracepoint
            }
            None => self.attach(device, choice, context)?,
        };
        tracing::info!(interface = device.name, netns = %self.netns, %hook, "metering");
        context.meter.add_interface(Interface {
            id: self.id(device.ifindex),
            name: device.name.as_str().into(),
            netns_name: self.netns.name().map(ToOwned::to_owned),
            hook,
            loopback: device.loopback,
            link: None,
            present: true,
        });
        Ok(())
    }

    /// Tells the filter in the kernel the names that an interface has now.
    fn rename(&mut self, device: &Device, context: &mut Context<'_>) -> Result<(), Error> {
        let names = context.settings.names(&device.name);
        let is_traced = matches!(self.attached.get(&device.ifindex), Some(Attached::Traced));
        let keys = self.keys(device.ifindex);
        let collector = match context.tracer {
            Some(tracer) if is_traced => Some(&mut tracer.collector),
            _ => self.collector(),
        };
        let Some(collector) = collector else {
            return Ok(());
        };
        keys.into_iter()
            .try_for_each(|key| collector.add_named_interface(key, names))
    }

    fn attach(
        &mut self,
        device: &Device,
        choice: HookChoice,
        context: &mut Context<'_>,
    ) -> Result<Hook, Error> {
        if choice != HookChoice::Tracepoint {
            match self.attach_here(device, choice, context.settings) {
                Ok(hook) => return Ok(hook),
                Err(error @ (Error::Busy { .. } | Error::NotPermitted)) => return Err(error),
                Err(error) if choice == HookChoice::Auto && error.is_of_hook() => {
                    // The kernel says in many ways that a device is gone.
                    if !self.watch.has(&self.netns, device.ifindex)? {
                        return Err(Error::Gone);
                    }
                    tracing::warn!(interface = device.name, error = %Chain(&error), "no TC here, tracing it");
                }
                Err(error) => return Err(error),
            }
        }
        let tracer = match context.tracer {
            Some(tracer) => tracer,
            None => context.tracer.insert(Tracer::open(context.settings)?),
        };
        let names = context.settings.names(&device.name);
        let keys = self.keys(device.ifindex);
        for key in keys {
            if let Err(error) = tracer.collector.add_named_interface(key, names) {
                keys.into_iter()
                    .for_each(|key| tracer.collector.remove_interface(key));
                return Err(error);
            }
        }
        self.attached.insert(device.ifindex, Attached::Traced);
        Ok(Hook::Tracepoint)
    }

    fn attach_here(
        &mut self,
        device: &Device,
        choice: HookChoice,
        settings: &Settings,
    ) -> Result<Hook, Error> {
        let keys = self.keys(device.ifindex);
        let names = settings.names(&device.name);
        let (object, collector) = match &mut self.metered {
            Some(metered) => metered,
            none => none.insert(settings.load(&Purpose::Interfaces {
                netns: self.netns.inode(),
            })?),
        };
        let added = keys
            .iter()
            .try_for_each(|key| collector.add_named_interface(*key, names));
        let attach = || Attachment::new(object, device, choice, settings.tc);
        let attached = added.and_then(|()| self.netns.enter(attach)?);
        let attachment = attached.inspect_err(|_| {
            // Nothing will be counted there: the entries need not stay.
            keys.into_iter()
                .for_each(|key| collector.remove_interface(key));
        })?;
        let hook = attachment.hook;
        self.attached
            .insert(device.ifindex, Attached::Here(attachment));
        Ok(hook)
    }

    fn gone(&mut self, ifindex: u32, context: &mut Context<'_>) {
        let Some(attached) = self.attached.remove(&ifindex) else {
            return;
        };
        let keys = self.keys(ifindex);
        let collector = match attached {
            Attached::Here(attachment) => {
                attachment.detach(&self.netns);
                self.metered.as_mut().map(|(_, collector)| collector)
            }
            Attached::Traced => context.tracer.as_mut().map(|tracer| &mut tracer.collector),
        };
        if let Some(collector) = collector {
            keys.into_iter()
                .for_each(|key| collector.remove_interface(key));
        }
        let id = self.id(ifindex);
        tracing::info!(ifindex, netns = %self.netns, "the interface is gone");
        context.meter.remove_interface(id);
    }

    /// The maps of this namespace's programs, if there are any.
    pub(crate) fn collector(&mut self) -> Option<&mut Collector> {
        self.metered.as_mut().map(|(_, collector)| collector)
    }

    /// Detaches from every interface; what was counted can still be drained.
    pub(crate) fn detach(&mut self) {
        for (_, attached) in self.attached.drain() {
            if let Attached::Here(attachment) = attached {
                attachment.detach(&self.netns);
            }
        }
    }

    fn id(&self, ifindex: u32) -> InterfaceId {
        InterfaceId {
            netns: self.netns.inode(),
            ifindex,
        }
    }

    fn keys(&self, ifindex: u32) -> [InterfaceKey; 2] {
        [Direction::Ingress, Direction::Egress].map(|direction| InterfaceKey {
            netns: self.netns.inode(),
            ifindex,
            direction: direction as u32,
        })
    }
}

fn default_name(netns: &Netns, devices: &[Device]) -> Result<Option<String>, Error> {
    let ifindex = default_route(netns)?;
    let device = devices
        .iter()
        .find(|device| Some(device.ifindex) == ifindex);
    Ok(device.map(|device| device.name.clone()))
}
