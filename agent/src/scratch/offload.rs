//! Offloads: whether the kernel hands several packets through an interface as one frame.

use std::io;

use crate::{Error, Netns, error::Doing, ioctl};

/// `ETHTOOL_STSO`, `ETHTOOL_SGSO`, `ETHTOOL_SGRO` of `linux/ethtool.h`: segmentation by the device
/// and by the kernel, and merging on receive.
const COMMANDS: [u32; 3] = [0x1f, 0x24, 0x2c];

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

/// Switches the merging of what an interface receives (GRO) on or off, and nothing else.
///
/// # Errors
/// As of [`set_offloads`].
pub fn set_merging(netns: &Netns, interface: &str, on: bool) -> Result<(), Error> {
    let [.., merging] = COMMANDS;
    netns
        .enter(|| set_one(interface, merging, on))?
        .doing("switch the offloads of an interface")
}

/// Sends one command to an interface in the namespace of the calling thread.
fn set_one(interface: &str, command: u32, on: bool) -> io::Result<()> {
    let mut value = Value {
        command,
        value: u32::from(on),
    };
    ioctl::ethtool(interface, &mut value)
}
