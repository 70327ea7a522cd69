//! Offloads: whether the kernel hands several packets through an interface as one frame.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use crate::{Error, Netns, error::Doing};

/// `ETHTOOL_STSO`, `ETHTOOL_SGSO`, `ETHTOOL_SGRO` of `linux/ethtool.h`: segmentation by the device
/// and by the kernel, and merging on receive.
const COMMANDS: [u32; 3] = [0x1f, 0x24, 0x2c];
/// `SIOCETHTOOL` of `linux/sockios.h`.
const ETHTOOL: libc::Ioctl = 0x8946;

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    value: u32,
}

/// Switches segmentation and merging on or off; off, every frame is a packet of the wire.
///
/// # Errors
/// [`Error::System`] where there is no such interface or it cannot do without.
pub fn set_offloads(netns: &Netns, interface: &str, on: bool) -> Result<(), Error> {
    let set = || {
        COMMANDS
            .iter()
            .try_for_each(|&command| set_one(interface, command, on))
    };
    netns
        .enter(set)?
        .doing("switch the offloads of an interface")
}

/// Sends one command to an interface in the namespace of the calling thread.
fn set_one(interface: &str, command: u32, on: bool) -> io::Result<()> {
    let mut value = Value {
        command,
        value: u32::from(on),
    };
    // SAFETY: any bytes are a valid request, zeros among them.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *place = byte.cast_signed();
    }
    request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut value).cast();
    // SAFETY: the arguments are numbers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: the request names the interface with a zero behind it and points to a value of the
    // layout that these commands take; both outlive the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), ETHTOOL, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
