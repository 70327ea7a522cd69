//! Taking over what an older version has pinned, while counting goes on.
//!
//! Each step can be done again, and says nothing that is not so: whoever is killed, the next one goes on,
//! and what was counted is neither lost nor there twice.
//!
//! 1. [`Migration::make`]: new maps and programs beside the old ones, and the same links once more.
//! 2. [`Migration::switch`]: each link gets the new program at once; from then on the old maps change
//!    no more, but for programs that are still running.
//! 3. [`Migration::wait`]: for those.
//! 4. [`Migration::carry`]: what the old maps have is written where no program writes: the flows that
//!    nobody has taken into maps of their own, which the first drain hands over, and the counters to
//!    where they are added.
//! 5. [`Migration::commit`]: one number says that it is all there.
//! 6. [`Migration::clean`]: the old pins go.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    slice,
};

use aya::programs::{SchedClassifier, Xdp};
use netweir_flow::Hook;
use netweir_wire::{
    map::{About, FilterProgram, LayoutProgram, Phase, PortClasses},
    name, version,
};

use super::{
    Claim, Pins, State,
    about::{hook, of_object, sizes, variant},
    attach::{pin_maps, program},
    filter,
    old::{self, Frozen},
    pins::LINKS,
};
use crate::{
    Error, Netns, Settings,
    attach::{Object, Purpose},
    collect::{Barrier, Collector},
    error::Doing,
    memory::bytes_of,
    sys,
};

/// A migration of one interface's pins.
pub struct Migration<'a> {
    claim: &'a Claim,
    netns: &'a Netns,
    settings: &'a Settings,
    old: Pins,
    new: Option<Pins>,
}

/// Takes over what an older version has pinned, if that is so; from then on it is of this one.
///
/// # Errors
/// [`Error::UnknownPins`] where this version cannot read it; then nothing was touched. What else goes
/// wrong leaves everything for the next try.
pub fn upgrade(claim: &Claim, netns: &Netns, settings: &Settings) -> Result<bool, Error> {
    let Some(mut migration) = Migration::begin(claim, netns, settings)? else {
        return Ok(false);
    };
    migration.make()?;
    migration.switch()?;
    migration.wait()?;
    migration.carry()?;
    migration.commit()?;
    migration.clean()?;
    Ok(true)
}

impl<'a> Migration<'a> {
    /// The migration of what is pinned, or the rest of one that was begun; `None` where there is nothing
    /// older.
    ///
    /// # Errors
    /// This version cannot read it, or it is not of this namespace.
    pub fn begin(
        claim: &'a Claim,
        netns: &'a Netns,
        settings: &'a Settings,
    ) -> Result<Option<Self>, Error> {
        let State::Older(old, new) = claim.state(slice::from_ref(netns))? else {
            return Ok(None);
        };
        // (Those of the inline path have no older layouts yet, and other maps and links.)
        let is_inline = hook(&old.about()?) == Hook::Inline;
        if !old::is_known(old.abi()) || is_inline {
            return Err(Error::UnknownPins {
                interface: claim.interface().to_owned(),
                abi: old.abi(),
                wanted: version::ABI,
            });
        }
        let about = old.about()?;
        if about.netns != netns.inode() {
            return Err(super::attach::other_pins(claim.interface(), &about, netns));
        }
        Ok(Some(Self {
            claim,
            netns,
            settings,
            old,
            new,
        }))
    }

    fn new_pins(&self) -> Result<&Pins, Error> {
        self.new.as_ref().ok_or(Error::Broken)
    }

    /// Makes new maps and programs, if that was not done.
    ///
    /// # Errors
    /// The kernel refuses; then the old ones go on.
    pub fn make(&mut self) -> Result<(), Error> {
        if self.new.is_some() {
            return Ok(());
        }
        let before = self.old.about()?;
        let purpose = Purpose::Interfaces {
            netns: before.netns,
        };
        let mut object = Object::load_variant(&purpose, sizes(&before), variant(&before))?;
        let mut collector = Collector::new(&mut object)?;
        self.configure(&mut collector, &before)?;
        let pins = self.claim.make(version::ABI)?;
        let about = About {
            phase: Phase::Making as u32,
            migrated_from: before.abi,
            ..of_object(before, &object)
        };
        let made = pin_maps(&pins, &about, &collector)
            .and_then(|()| self.load_programs(&mut object, &pins, &before))
            .and_then(|()| pins.set_phase(Phase::Migrating));
        if made.is_err() {
            // It says why itself.
            let _removed = pins.remove();
        }
        made?;
        self.new = Some(pins);
        Ok(())
    }

    /// Goes on with what the old programs were told; the rules are those of now.
    fn configure(&self, collector: &mut Collector, before: &About) -> Result<(), Error> {
        let ports: Box<PortClasses> = Box::new(self.old.first_as(name::PORTS)?);
        collector.set_ports(&ports)?;
        if before.filters != 0 {
            collector.set_filter(&self.old.first_as::<FilterProgram>(name::FILTER)?)?;
        }
        if before.layouts != 0 {
            collector.set_layouts(&self.old.first_as::<LayoutProgram>(name::LAYOUT)?)?;
        }
        self.settings.put_rules(collector)?;
        let mut names = self.settings.names(self.claim.interface());
        for (key, place) in old::places(&self.old)? {
            names.filter = place.names;
            collector.add_named_interface(key, names)?;
        }
        Ok(())
    }

    /// Loads and pins the programs that the old ones are replaced by, and pins the links once more.
    fn load_programs(&self, object: &mut Object, pins: &Pins, before: &About) -> Result<(), Error> {
        for name in self.old.programs() {
            match hook(before) {
                Hook::XdpNative | Hook::XdpGeneric => drop(object.program(name, Xdp::load)?),
                _ => drop(object.program(name, SchedClassifier::load)?),
            }
            pins.pin(name, program(object, name)?.as_fd())?;
        }
        for link in LINKS {
            if self.old.path_of(link).exists() {
                pins.pin(link, self.old.open(link)?.as_fd())?;
            }
        }
        Ok(())
    }

    /// Lets the new programs count in the place of the old ones, each link or filter at once.
    ///
    /// # Errors
    /// The kernel refuses; some of them may count by then, which the next try finds so.
    pub fn switch(&mut self) -> Result<(), Error> {
        let new = self.new_pins()?;
        let about = new.about()?;
        let programs: Vec<&str> = new.programs().collect();
        if hook(&about) == Hook::Clsact {
            return self.switch_filters(&about, &programs);
        }
        for (link, name) in LINKS.into_iter().zip(programs) {
            let (link, program) = (new.open(link)?, new.open(name)?);
            match sys::update_link(link.as_fd(), program.as_fd()) {
                // The interface is gone: nothing counts there any more.
                Err(error) if is_gone(&error) => {}
                updated => updated.doing("put another program into a link")?,
            }
        }
        Ok(())
    }

    fn switch_filters(&self, about: &About, names: &[&str]) -> Result<(), Error> {
        let (old, new) = (&self.old, self.new_pins()?);
        let ids: Vec<u32> = names
            .iter()
            .filter_map(|name| filter::id(&old.path_of(name)))
            .collect();
        let programs: Vec<OwnedFd> = names
            .iter()
            .map(|name| new.open(name))
            .collect::<Result<_, _>>()?;
        let (Ok(ids), Ok(programs)) = (ids.try_into(), programs.try_into()) else {
            return Err(Error::Broken);
        };
        self.netns
            .enter(|| filter::replace(about.ifindex, ids, &programs))?
    }

    /// Waits until no old program is running.
    ///
    /// # Errors
    /// The kernel cannot wait.
    pub fn wait(&mut self) -> Result<(), Error> {
        Barrier::new()?.wait()
    }

    /// Takes over what the old programs have counted.
    ///
    /// # Errors
    /// An old map cannot be read, or a new one not be written.
    pub fn carry(&mut self) -> Result<(), Error> {
        let frozen = old::read(&self.old, &self.old.about()?)?;
        let new = self.new_pins()?;
        // What another one has begun is not known to be whole.
        for name in [name::MOVED, name::MOVED_BACKENDS] {
            let _absent = fs::remove_file(new.path_of(name));
        }
        let about = new.about()?;
        let mut collector = new.collector(&about)?;
        new.make_moved(frozen.flows.len(), frozen.backends.len())?;
        new.set_first(name::CARRIED_SUMS, &frozen.sums)?;
        let carried = new.raw(name::CARRIED)?;
        for (key, _, all) in &frozen.interfaces {
            if collector.interface_number(*key).is_none() {
                collector.add_interface(*key)?;
            }
            let number = collector.interface_number(*key).ok_or(Error::Broken)?;
            for place in [number, carried.entries() / 2 + number] {
                let written = carried.put(&place.to_ne_bytes(), bytes_of(all));
                written.doing("write a kernel map")?;
            }
        }
        write_moved(new, &frozen, &collector, about.tick_ns)
    }

    /// Says that all was taken over.
    ///
    /// # Errors
    /// It cannot be said.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.new_pins()?.set_phase(Phase::Attached)
    }

    /// Removes the old pins.
    ///
    /// # Errors
    /// The old directory holds files of others.
    pub fn clean(self) -> Result<(), Error> {
        self.old.remove()
    }
}

fn write_moved(
    new: &Pins,
    frozen: &Frozen,
    collector: &Collector,
    tick_ns: u64,
) -> Result<(), Error> {
    let flows = new.raw(name::MOVED)?;
    for (key, flow) in &frozen.flows {
        let interface = netweir_wire::map::InterfaceKey {
            netns: key.netns,
            ifindex: key.ifindex,
            direction: key.direction.into(),
        };
        // Of an interface that has no counters nothing was counted.
        let number = collector.interface_number(interface).unwrap_or(0);
        let value = flow.to_value(number, tick_ns);
        let written = flows.put(bytes_of(key), bytes_of(&value));
        written.doing("write a kernel map")?;
    }
    let backends = new.raw(name::MOVED_BACKENDS)?;
    for (key, volume) in &frozen.backends {
        let written = backends.put(bytes_of(key), bytes_of(volume));
        written.doing("write a kernel map")?;
    }
    Ok(())
}

fn is_gone(error: &std::io::Error) -> bool {
    let gone = [libc::ENOLINK, libc::ENODEV].map(Some);
    gone.contains(&error.raw_os_error())
}
