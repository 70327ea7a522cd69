//! From the bytes of a packet to its headers.
//!
//! One parser for every place where bytes can be: [`Packet`] is implemented for a byte slice here,
//! and for the XDP context and the socket buffer in the kernel crate. [`Headers::read`] walks from
//! the link header to the transport header. It never fails as a whole: what could not be read is
//! named by [`Problem`], and everything before that is kept. It reads the outermost packet only:
//! neither tunnels nor the packet quoted by an ICMP error are entered.

mod ethernet;
mod extension;
mod headers;
mod ipv4;
mod ipv6;
mod link;
mod number;
mod problem;
pub mod quic;
mod transport;
mod usual;
mod vlan;

pub use headers::{Fragment, Headers, Tag};
pub use link::LinkType;
pub use number::{ethertype, protocol};
pub use problem::Problem;
pub use usual::Usual;

/// A packet that headers can be read from, wherever its bytes are.
pub trait Packet {
    /// The `N` bytes at `offset`, or [`Truncated`] where the packet is shorter.
    fn bytes<const N: usize>(&self, offset: usize) -> Result<[u8; N], Truncated>;

    /// The same offset.
    ///
    /// The kernel's verifier follows a program along every path, with all it knows of each value;
    /// the kernel programs make it forget here what it knows of the offset, so that paths which
    /// differ in nothing else become one.
    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        offset
    }
}

/// A packet whose bytes lie in one piece, so that it can be read from any of them on.
pub trait Window: Packet {
    /// The packet from `offset` on; one without bytes where it is shorter.
    fn behind(&self, offset: usize) -> Self;

    /// Whether the packet has so many bytes.
    fn holds(&self, bytes: usize) -> bool;

    /// The `N` bytes at `offset` of a packet that [holds](Self::holds) them: asking once for many
    /// costs less than asking for each. Zeros where it does not hold them.
    fn held<const N: usize>(&self, offset: usize) -> [u8; N];
}

/// The packet, or as much of it as can be reached, ends before the bytes that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

impl Packet for &[u8] {
    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Result<[u8; N], Truncated> {
        let rest = self.get(offset..).ok_or(Truncated)?;
        rest.first_chunk().copied().ok_or(Truncated)
    }
}

impl Window for &[u8] {
    fn behind(&self, offset: usize) -> Self {
        self.get(offset..).unwrap_or_default()
    }

    fn holds(&self, bytes: usize) -> bool {
        bytes <= self.len()
    }

    fn held<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.bytes(offset).unwrap_or([0; N])
    }
}

/// Offset from the start of the frame past which no header byte is read.
///
/// Every hook keeps the same limit, so that all of them count a packet alike. The kernel programs
/// copy this much of a packet when its headers do not lie in one piece.
pub const MAX_HEADER_BYTES: usize = 512;

/// IPv6 extension headers that are walked before the rest is given up.
pub const MAX_EXTENSIONS: usize = 8;

/// VLAN tags that are walked before the rest is given up.
pub const MAX_TAGS: usize = 4;
