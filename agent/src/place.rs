//! One network namespace: its interfaces, and what is attached to them.

use std::{collections::HashMap, os::fd::BorrowedFd};

use netweir_flow::{Hook, Interface, InterfaceId, Meter};
use netweir_wire::map::{Direction, InterfaceKey};

use crate::{
    Error, Netns,
    attach::{Attachment, HookChoice, Object, Purpose, link_type},
    choice::hook_for,
    collect::Collector,
    error::Chain,
    pin::{Folder, Pinned},
    settings::Settings,
    tracer::Tracer,
    wanted::{check_choices, default_name},
    watch::{Change, Device, Watch},
};

/// One network namespace.
pub(crate) struct Place {
    netns: Netns,
    watch: Watch,
    /// The load of the programs whose interfaces are this namespace's; made when first needed.
    metered: Option<(Object, Collector)>,
    attached: HashMap<u32, Attached>,
    /// What is pinned of interfaces that are gone: it may still hold something.
    left: Vec<Box<Pinned>>,
    /// What the interfaces that are attached to are called.
    names: HashMap<u32, String>,
    /// Name of the interface that the default route led through at the start.
    default: Option<String>,
    /// Whether it was said that the map of interfaces is full.
    is_full: bool,
}

/// How an interface is metered.
enum Attached {
    Here(Attachment),
    Traced,
    /// By what is pinned.
    Pinned(Box<Pinned>),
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
            left: Vec::new(),
            names: HashMap::new(),
            default,
            is_full: false,
        };
        let there = (devices.as_slice(), place.default.as_deref());
        check_choices(&context.settings.choices, &place.netns, there)?;
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
        if settings.except.contains(&self.id(device.ifindex)) {
            return Ok(());
        }
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
                self.rename(device.ifindex, &device.name, context)?;
                hook
            }
            Some(Attached::Traced) => {
                self.rename(device.ifindex, &device.name, context)?;
                Hook::Tracepoint
            }
            Some(Attached::Pinned(pinned)) => {
                let hook = pinned.hook();
                self.rename(device.ifindex, &device.name, context)?;
                hook
            }
            None => self.attach(device, choice, context)?,
        };
        tracing::info!(interface = device.name, netns = %self.netns, %hook, "metering");
        self.names.insert(device.ifindex, device.name.clone());
        context.meter.add_interface(Interface {
            id: self.id(device.ifindex),
            name: device.name.as_str().into(),
            netns_name: self.netns.name().map(ToOwned::to_owned),
            hook,
            loopback: device.loopback,
            link: link_type(device).ok(),
            present: true,
        });
        Ok(())
    }

    /// Tells the programs of all interfaces what they are called: rules ask for other names now.
    pub(crate) fn tell_names(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        let is_own = |ifindex: &u32| {
            let attached = self.attached.get(ifindex);
            !matches!(attached, Some(Attached::Pinned(_)))
        };
        let names: Vec<_> = self
            .names
            .iter()
            .filter(|(ifindex, _)| is_own(ifindex))
            .map(|(ifindex, name)| (*ifindex, name.clone()))
            .collect();
        let mut told = names.into_iter();
        told.try_for_each(|(ifindex, name)| self.rename(ifindex, &name, context))
    }

    /// Puts the rules of now in force in what is pinned.
    pub(crate) fn set_pinned_rules(&mut self, settings: &Settings) -> Result<(), Error> {
        let Some(rules) = settings.rules.latest() else {
            return Ok(());
        };
        for (ifindex, attached) in &mut self.attached {
            if let Attached::Pinned(pinned) = attached {
                let name = self.names.get(ifindex).map_or("", String::as_str);
                pinned.set_rules(rules, name)?;
            }
        }
        Ok(())
    }

    /// Tells filter and rules in the kernel what an interface is called now.
    fn rename(&mut self, ifindex: u32, name: &str, context: &mut Context<'_>) -> Result<(), Error> {
        if let Some(Attached::Pinned(pinned)) = self.attached.get_mut(&ifindex) {
            return pinned.rename(name, context.settings);
        }
        let names = context.settings.names(name);
        let is_traced = matches!(self.attached.get(&ifindex), Some(Attached::Traced));
        let keys = self.keys(ifindex);
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
        if let Some(pinned) = self.take_pinned(device, context.settings)? {
            let hook = pinned.hook();
            tracing::info!(
                interface = device.name,
                "it is pinned: that goes on counting when this agent has ended"
            );
            self.attached
                .insert(device.ifindex, Attached::Pinned(Box::new(pinned)));
            return Ok(hook);
        }
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

    /// Takes over what is pinned of an interface.
    fn take_pinned(&self, device: &Device, settings: &Settings) -> Result<Option<Pinned>, Error> {
        let Some(path) = &settings.pins else {
            return Ok(None);
        };
        Pinned::take(&Folder::new(path), (&self.netns, device), settings)
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
        let attach = || Attachment::new(object, device, choice, settings.modes);
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
        self.names.remove(&ifindex);
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
            Attached::Pinned(pinned) => {
                self.left.push(pinned);
                None
            }
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

    /// The same, and those of what is pinned.
    pub(crate) fn collectors(&mut self) -> impl Iterator<Item = &mut Collector> {
        let own = self.metered.as_mut().map(|(_, collector)| collector);
        let pinned = self
            .attached
            .values_mut()
            .filter_map(|attached| match attached {
                Attached::Pinned(pinned) => Some(&mut pinned.collector),
                _ => None,
            });
        let left = self.left.iter_mut().map(|pinned| &mut pinned.collector);
        own.into_iter().chain(pinned).chain(left)
    }

    /// Detaches from every interface that is not pinned; what was counted can still be drained.
    pub(crate) fn detach(&mut self) {
        let own = |_: &u32, attached: &mut Attached| !matches!(attached, Attached::Pinned(_));
        for (_, attached) in self.attached.extract_if(own) {
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
