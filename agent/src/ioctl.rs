//! What the kernel tells of an interface by `ioctl` alone, seen from the thread's namespace.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
};

/// `SIOCETHTOOL` of `linux/sockios.h`.
const ETHTOOL: libc::Ioctl = 0x8946;
/// `ETHTOOL_GDRVINFO` of `linux/ethtool.h`.
const GET_DRIVER: u32 = 3;
/// `ETHTOOL_GGRO`.
const GET_MERGING: u32 = 0x2b;
/// `ETHTOOL_GCHANNELS`.
const GET_CHANNELS: u32 = 0x3c;

/// `struct ethtool_channels`.
#[derive(Default)]
#[repr(C)]
struct Channels {
    command: u32,
    /// Most of receive, transmit, others and both.
    most: [u32; 4],
    receive: u32,
    transmit: u32,
    other: u32,
    combined: u32,
}

/// `struct ethtool_drvinfo`, as far as it is used.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// Queues that an interface receives by; 1 where its driver does not say.
pub(crate) fn queues(interface: &str) -> io::Result<u32> {
    let mut channels = Channels {
        command: GET_CHANNELS,
        ..Channels::default()
    };
    match ethtool(interface, &mut channels) {
        Ok(()) => Ok((channels.receive + channels.combined).max(1)),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(1),
        Err(error) => Err(error),
    }
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Whether packets that an interface receives are merged (GRO).
pub(crate) fn merges(interface: &str) -> io::Result<bool> {
    let mut value = Value {
        command: GET_MERGING,
        data: 0,
    };
    ethtool(interface, &mut value)?;
    Ok(value.data != 0)
}

/// Name of the driver of an interface.
pub(crate) fn driver(interface: &str) -> io::Result<String> {
    let mut info = DriverInfo {
        command: GET_DRIVER,
        driver: [0; 32],
        rest: [0; 160],
    };
    ethtool(interface, &mut info)?;
    let name = CStr::from_bytes_until_nul(&info.driver).unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

const PROMISCUOUS: libc::c_short = libc::IFF_PROMISC as libc::c_short;

/// Whether an interface takes frames for others too, because somebody has set that.
pub(crate) fn is_promiscuous(interface: &str) -> io::Result<bool> {
    Ok(flags(&mut request(interface)?)? & PROMISCUOUS != 0)
}

/// Lets an interface take frames for others too, or not.
pub(crate) fn set_promiscuous(interface: &str, on: bool) -> io::Result<()> {
    let mut request = request(interface)?;
    let flags = flags(&mut request)?;
    request.ifr_ifru.ifru_flags = if on {
        flags | PROMISCUOUS
    } else {
        flags & !PROMISCUOUS
    };
    call(libc::SIOCSIFFLAGS, &mut request)
}

fn flags(request: &mut libc::ifreq) -> io::Result<libc::c_short> {
    call(libc::SIOCGIFFLAGS, request)?;
    // SAFETY: the kernel has just written the flags there.
    Ok(unsafe { request.ifr_ifru.ifru_flags })
}

/// Sends a command of ethtool to an interface; the command begins with its number.
pub(crate) fn ethtool<T>(interface: &str, command: &mut T) -> io::Result<()> {
    let mut request = request(interface)?;
    request.ifr_ifru.ifru_data = ptr::from_mut(command).cast();
    call(ETHTOOL, &mut request)
}

/// A request for an interface.
fn request(interface: &str) -> io::Result<libc::ifreq> {
    // SAFETY: any bytes are a valid request, zeros among them.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *place = byte.cast_signed();
    }
    Ok(request)
}

fn call(number: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: the arguments are numbers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: the request names the interface with a zero behind it, and points to nothing but what
    // these calls take; both outlive the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), number, ptr::from_mut(request)) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
