//! Sending whole frames through an interface.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use super::link::index;
use crate::{Error, Netns, error::Doing};

/// A packet socket that sends frames as they are, and receives none.
#[derive(Debug)]
pub struct FrameSocket {
    socket: OwnedFd,
}

impl FrameSocket {
    /// Opens a socket that sends through an interface.
    ///
    /// # Errors
    /// [`Error::NoInterface`], or [`Error::System`] where the kernel does not permit it: that
    /// takes CAP_NET_RAW.
    pub fn open(netns: &Netns, interface: &str) -> Result<Self, Error> {
        let ifindex = index(netns, interface)?;
        let socket = netns.enter(|| open(ifindex))?;
        let socket = socket.doing("open a packet socket")?;
        Ok(Self { socket })
    }

    /// Sends one frame from its link header on.
    ///
    /// # Errors
    /// [`Error::System`] where the interface takes no such frame, or is down.
    pub fn send(&self, frame: &[u8]) -> Result<(), Error> {
        let socket = self.socket.as_raw_fd();
        // SAFETY: the frame is valid for reads of its length.
        let sent = unsafe { libc::send(socket, frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error()).doing("send a frame");
        }
        Ok(())
    }
}

impl AsFd for FrameSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open(ifindex: u32) -> io::Result<OwnedFd> {
    // SAFETY: the arguments are numbers. Protocol 0 receives nothing.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: 0,
        sll_ifindex: ifindex.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the address is valid for reads of the size that is given with it.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of_val(&address) as libc::socklen_t,
        )
    };
    if bound < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket)
}
