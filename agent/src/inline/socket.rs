//! An AF_XDP socket of one queue, over frames that several share.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, socket_with,
        sockopt::{
            set_socket_send_buffer_size_force, set_xdp_rx_ring_size, set_xdp_tx_ring_size,
            set_xdp_umem_completion_ring_size, set_xdp_umem_fill_ring_size, set_xdp_umem_reg,
            xdp_mmap_offsets, xdp_options,
        },
        xdp::{
            SocketAddrXdp, SocketAddrXdpFlags, SocketAddrXdpWithSharedUmem, XDP_PGOFF_RX_RING,
            XDP_PGOFF_TX_RING, XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING, XdpDesc,
            XdpOptionsFlags, XdpUmemReg, XdpUmemRegFlags,
        },
    },
};

use super::ring::{Consumer, Producer};
use crate::{Error, error::Doing, memory::Memory};

/// Bytes of a frame in user space, with the room that the kernel keeps before it.
pub(super) const FRAME_BYTES: u32 = 4096;

/// Bytes of the longest frame that fits: what the kernel keeps before it, and may behind it, left out.
pub(super) const MAX_BYTES: u32 = FRAME_BYTES - 256 - 320;

/// Bytes that a socket may have on the way: more than all frames.
const SEND_BUFFER_BYTES: usize = 1 << 28;

/// Frames that the kernel sends in one call, from Linux 6.17 on (it takes 32 at a time else).
const FRAMES_PER_CALL: libc::c_int = 2048;

/// How long the queue of a process that has died may be taken.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    /// Index of the interface.
    pub(super) ifindex: u32,
    /// Its number there.
    pub(super) number: u32,
}

/// How frames get to user space and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TapMode {
    /// Without copying where the drivers of both interfaces can, else copied.
    #[default]
    Auto,
    /// Copied.
    Copy,
    /// Without copying or not at all.
    ZeroCopy,
}

/// How many entries the rings have: powers of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries {
    /// Of the two for frames that come.
    pub(super) receive: u32,
    /// Of the two for frames that go.
    pub(super) send: u32,
}

/// An AF_XDP socket.
pub(super) struct Socket {
    socket: OwnedFd,
    pub(super) fill: Producer<u64>,
    pub(super) received: Consumer<XdpDesc>,
    pub(super) send: Producer<XdpDesc>,
    pub(super) completed: Consumer<u64>,
}

impl Socket {
    /// Binds to a queue, with frames to fill beginning at this one; the first of those sockets that share
    /// frames brings them, the others name it. From inside the namespace.
    pub(super) fn open(
        queue: Queue,
        (entries, first_frame): (Entries, u32),
        frames: (&Memory, Option<&Self>),
        mode: TapMode,
    ) -> Result<Self, Error> {
        let socket = socket_with(
            AddressFamily::XDP,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )
        .doing("open an AF_XDP socket (the kernel needs CONFIG_XDP_SOCKETS)")?;
        let (memory, first) = frames;
        if first.is_none() {
            let (addr, len) = memory.extent();
            let frames = XdpUmemReg {
                addr,
                len,
                chunk_size: FRAME_BYTES,
                headroom: 0,
                flags: XdpUmemRegFlags::empty(),
                tx_metadata_len: 0,
            };
            set_xdp_umem_reg(&socket, frames).doing("share frames with the kernel")?;
        }
        let sized = set_xdp_umem_fill_ring_size(&socket, entries.receive)
            .and_then(|()| set_xdp_umem_completion_ring_size(&socket, entries.send))
            .and_then(|()| set_xdp_rx_ring_size(&socket, entries.receive))
            .and_then(|()| set_xdp_tx_ring_size(&socket, entries.send));
        sized.doing("make the rings of an AF_XDP socket")?;
        // Both only make it faster.
        let _smaller = set_socket_send_buffer_size_force(&socket, SEND_BUFFER_BYTES);
        let frames = FRAMES_PER_CALL.min(entries.send.cast_signed());
        let _fewer = set(&socket, (libc::SOL_XDP, XDP_MAX_TX_SKB_BUDGET), frames);
        let at = xdp_mmap_offsets(&socket).doing("ask for the rings of an AF_XDP socket")?;
        let fd = socket.as_fd();
        let mut opened = Self {
            fill: Producer::new(fd, (XDP_UMEM_PGOFF_FILL_RING, at.fr), entries.receive)?,
            received: Consumer::new(fd, (XDP_PGOFF_RX_RING, at.rx), entries.receive)?,
            send: Producer::new(fd, (XDP_PGOFF_TX_RING, at.tx), entries.send)?,
            completed: Consumer::new(fd, (XDP_UMEM_PGOFF_COMPLETION_RING, at.cr), entries.send)?,
            socket,
        };
        // Before a driver has the ring: without copying it would take nothing off the wire, not even what is
        // not tapped, until it looks there again.
        for frame in first_frame..first_frame + entries.receive {
            let address = u64::from(frame) * u64::from(FRAME_BYTES);
            opened.fill.push(address);
        }
        opened.fill.submit();
        opened.await_queue(queue, first, mode)?;
        Ok(opened)
    }

    /// Binds once nobody else has the queue.
    fn await_queue(&self, queue: Queue, first: Option<&Self>, mode: TapMode) -> Result<(), Error> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.bind(queue, first, mode) {
                // One that has ended has its queue until the kernel has cleaned up behind it.
                Err(Errno::BUSY) if Instant::now() < until => {
                    thread::sleep(Duration::from_millis(5));
                }
                bound => return bound.doing("bind an AF_XDP socket to a queue"),
            }
        }
    }

    fn bind(&self, queue: Queue, first: Option<&Self>, mode: TapMode) -> rustix::io::Result<()> {
        let address = |flags| SocketAddrXdp::new(flags, queue.ifindex, queue.number);
        if let Some(first) = first {
            // All else it has of the first one.
            let shared = SocketAddrXdpWithSharedUmem {
                addr: address(SocketAddrXdpFlags::XDP_SHARED_UMEM),
                shared_umem_fd: first.socket.as_fd(),
            };
            return bind(&self.socket, &shared);
        }
        let kind = match mode {
            TapMode::ZeroCopy => SocketAddrXdpFlags::XDP_ZEROCOPY,
            TapMode::Auto | TapMode::Copy => SocketAddrXdpFlags::XDP_COPY,
        };
        let flags = kind | SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
        bind(&self.socket, &address(flags))
    }

    /// Whether frames are not copied.
    pub(super) fn is_zero_copy(&self) -> bool {
        xdp_options(&self.socket)
            .is_ok_and(|options| options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY))
    }

    /// Lets the kernel look at the queue by itself for so many microseconds when it is asked for frames.
    pub(super) fn prefer_busy_poll(&self, microseconds: u32) -> io::Result<()> {
        let options = [
            (libc::SO_PREFER_BUSY_POLL, 1),
            (libc::SO_BUSY_POLL, microseconds.cast_signed()),
            (libc::SO_BUSY_POLL_BUDGET, 64),
        ];
        let mut options = options.into_iter();
        options.try_for_each(|(option, value)| set(&self.socket, (libc::SOL_SOCKET, option), value))
    }

    /// Sends what was submitted; copying, the kernel has sent some of it when this returns.
    pub(super) fn kick(&self) -> rustix::io::Result<()> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::net::send(&self.socket, &[], flags).map(drop)
    }

    /// Lets the kernel take frames to fill, and look for some that came.
    pub(super) fn wake(&self) {
        // What is wrong with the socket is told where it is waited for.
        let _nothing = rustix::net::recv(&self.socket, &mut [0_u8; 0], RecvFlags::DONTWAIT);
    }

    /// What is wrong with it: its interface is down or gone.
    pub(super) fn has_failed(&self) -> bool {
        !matches!(rustix::net::sockopt::socket_error(&self.socket), Ok(Ok(())))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// `XDP_MAX_TX_SKB_BUDGET` of `linux/if_xdp.h`.
const XDP_MAX_TX_SKB_BUDGET: libc::c_int = 9;

/// Sets an option that no library knows.
fn set(
    socket: &OwnedFd,
    (level, option): (libc::c_int, libc::c_int),
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the option is a number, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
