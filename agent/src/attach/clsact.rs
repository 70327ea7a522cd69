//! The clsact qdisc of kernels without TCX.
//!
//! A filter there outlives the process that put it in. So an agent claims the interface with a
//! locked file first: who gets the lock may remove what an agent that was killed has left, who does
//! not get it is the second one. The file says whether the qdisc is ours, also to the agent that
//! comes after one that was killed; it is removed at the end only if it is ours and empty: filters
//! of others stay untouched.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
};

use aya::programs::{TcAttachType, tc};
use netweir_wire::name;
use rustix::fs::{FlockOperation, flock};

use crate::{
    Error,
    error::Doing,
    watch::{self, Device},
};

/// Where the claims are kept.
const CLAIMS: &str = "/run/netweir";

/// What stands in the file of a claim when the qdisc is ours.
const OURS: &str = "qdisc";

/// The right to put filters on an interface through clsact.
pub(super) struct Claim {
    _lock: File,
    path: PathBuf,
    device: Device,
    ours: bool,
}

/// Claims a device, removes leftovers, and makes sure that the qdisc is there.
pub(super) fn claim(device: &Device) -> Result<Claim, Error> {
    let netns = crate::netns::Netns::current_of_thread()?;
    let path = PathBuf::from(CLAIMS).join(format!("clsact-{netns}-{}.lock", device.ifindex));
    let busy = || Error::Busy {
        interface: device.name.clone(),
    };
    fs::create_dir_all(CLAIMS).doing("create /run/netweir")?;
    let mut options = File::options();
    let lock = options.read(true).write(true).create(true).open(&path);
    let mut lock = lock.doing("create a lock file in /run/netweir")?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| busy())?;
    let mut ours = tc::qdisc_add_clsact(&device.name).is_ok();
    if ours {
        lock.write_all(OURS.as_bytes())
            .doing("write to a lock file in /run/netweir")?;
    } else if remove_leftovers(device) {
        ours = io::read_to_string(&lock).is_ok_and(|text| text == OURS);
    }
    Ok(Claim {
        _lock: lock,
        path,
        device: device.clone(),
        ours,
    })
}

/// Removes filters of an agent that was killed; whether there were any.
fn remove_leftovers(device: &Device) -> bool {
    let mut found = false;
    for place in [TcAttachType::Ingress, TcAttachType::Egress] {
        let names = match place {
            TcAttachType::Ingress => [name::TC_INGRESS, name::TC_INGRESS_IP],
            _ => [name::TC_EGRESS, name::TC_EGRESS_IP],
        };
        for name in names {
            // Nothing of that name is what is expected.
            found |= tc::qdisc_detach_program(&device.name, place, name).is_ok();
        }
    }
    found
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A qdisc goes with its interface.
        if self.ours
            && let Err(error) = watch::remove_empty_clsact(self.device.ifindex)
            && error.raw_os_error() != Some(libc::ENODEV)
        {
            let interface = &self.device.name;
            tracing::warn!(interface, %error, "the clsact qdisc is left behind");
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the lock file is left behind");
        }
    }
}
