//! What is found where an interface is to be pinned.

use std::io::ErrorKind;

use netweir_wire::{
    map::{About, Phase},
    version,
};

use super::{
    Claim, Pins, Places,
    detach::{detach_links, remove_half},
};
use crate::{Error, Netns};

/// What is found where an interface is to be pinned.
pub(crate) enum State {
    /// Nothing, or what was half made and is gone now.
    Free,
    /// Pins of this version that count.
    Attached(Pins),
    /// Pins of an older version, and those of this one if they were begun.
    Older(Pins, Option<Pins>),
}

impl Claim {
    /// What is pinned; what an attachment that was killed has left is removed.
    pub(crate) fn state(&self, netns: &[Netns]) -> Result<State, Error> {
        let all = self.pins()?;
        if let Some(newer) = all.iter().find(|pins| pins.abi() > version::ABI) {
            return Err(self.unknown(newer));
        }
        // Pins of two versions have the same links.
        let is_alone = all.len() == 1;
        let mut whole = Vec::new();
        for pins in all {
            if let Some(about) = self.about_whole(&pins)? {
                whole.push((pins, about));
                continue;
            }
            if is_alone {
                detach_links(&pins);
            }
            let places = Places {
                known: netns,
                others_are_gone: false,
            };
            remove_half(&pins, pins.about().ok().as_ref(), places)?;
        }
        self.state_of(whole)
    }

    /// What is said of pins that are whole; `None` where they are half made.
    fn about_whole(&self, pins: &Pins) -> Result<Option<About>, Error> {
        let about = match pins.about() {
            // Killed before it could say what it was to become, or while it was removed.
            Err(Error::Pin { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            about => about?,
        };
        match Phase::try_from(about.phase) {
            Ok(phase) if about.abi == pins.abi() => Ok((phase != Phase::Making).then_some(about)),
            _ => Err(self.unknown(pins)),
        }
    }

    /// What pins are, the oldest first, of which each is whole.
    fn state_of(&self, whole: Vec<(Pins, About)>) -> Result<State, Error> {
        let half_migrated = |abi| Error::HalfMigrated {
            interface: self.interface().to_owned(),
            abi,
        };
        let mut whole = whole.into_iter();
        let Some((first, about)) = whole.next() else {
            return Ok(State::Free);
        };
        if first.abi() == version::ABI {
            return Ok(State::Attached(first));
        }
        if about.phase == Phase::Migrating as u32 {
            return Err(half_migrated(first.abi()));
        }
        match whole.next() {
            None => Ok(State::Older(first, None)),
            Some((pins, _)) if pins.abi() != version::ABI => Err(half_migrated(pins.abi())),
            Some((pins, about)) if about.phase == Phase::Attached as u32 => {
                // All was taken over; what is left of the older ones does not count any more.
                first.remove()?;
                Ok(State::Attached(pins))
            }
            Some((pins, _)) => Ok(State::Older(first, Some(pins))),
        }
    }

    fn unknown(&self, pins: &Pins) -> Error {
        Error::UnknownPins {
            interface: self.interface().to_owned(),
            abi: pins.abi(),
            wanted: version::ABI,
        }
    }
}
