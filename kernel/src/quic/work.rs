//! The working memory of a look at a frame.

use core::{mem::offset_of, sync::atomic::AtomicU64};

use netweir_wire::map::{
    Cid, CidPacket, MAX_CID_BYTES, QUIC_CAPTURED_BYTES, QuicEvent, ServerChosen, Undecoded,
};

/// Long headers of one frame that are told at most: a flight of a handshake has fewer datagrams.
pub(super) const MOST_LONG: usize = 16;

/// Connection IDs of one frame that are told apart: nearly always there is one.
pub(super) const MOST_RUNS: usize = 4;

/// What a CPU needs for a look at a frame.
#[repr(C)]
pub(crate) struct QuicWork {
    /// How far the frame was walked.
    pub(super) walk: Walk,
    /// The time by the cheap clock.
    pub(super) now: u32,
    /// What was noted of the frame.
    pub(super) found: Found,
    /// Where a number is put that the verifier is to forget.
    pub(super) number: AtomicU64,
    /// The first bytes of a datagram.
    pub(super) head: Head,
    /// The head of an event.
    pub(super) event: QuicEvent,
    /// The bytes of its datagram, and one more: the verifier bounds them by a power of two.
    pub(super) bytes: [u8; QUIC_CAPTURED_BYTES + 1],
}

const _: () = assert!(
    offset_of!(QuicWork, bytes) == offset_of!(QuicWork, event) + size_of::<QuicEvent>(),
    "the bytes stand right behind the event"
);

const _: () = assert!(
    (QUIC_CAPTURED_BYTES + 1).is_power_of_two(),
    "their number is its own mask"
);

/// How far a frame was walked.
#[repr(C)]
pub(super) struct Walk {
    /// Where the next datagram begins in the frame.
    pub(super) offset: u32,
    /// Bytes of all datagrams from there on.
    pub(super) left: u32,
    /// Bytes of each datagram, the last one's excepted; never 0.
    pub(super) segment: u32,
}

/// Bytes in front of a datagram that are read with it: the length and the checksum of UDP, in front of
/// the first one.
pub(super) const BYTES_BEFORE: u32 = 4;

/// The first bytes of a datagram, with the connection ID where words of it can be read.
#[repr(C, align(8))]
pub(super) struct Head {
    padding: [u8; 3],
    /// The bytes in front of it.
    pub(super) before: [u8; BYTES_BEFORE as usize],
    /// The first byte.
    pub(super) first: u8,
    /// The bytes behind that, in the order of memory. Some may be older: those behind the datagram's
    /// end, and behind the longest connection ID.
    pub(super) cid: [u64; 3],
    behind: u64,
}

impl Head {
    /// Where `before` begins: from here on there is room for 37 bytes.
    #[inline(always)]
    pub(super) fn start(&mut self) -> *mut u8 {
        const { assert!(size_of::<Self>() >= 3 + 37) };
        self.before.as_mut_ptr()
    }
}

/// Short headers whose connection IDs say the same.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// The bytes behind the first one of one of them, in the order of memory.
    pub(super) cid: [u64; 3],
    /// How many of these are the datagram's.
    pub(super) available: u32,
    pub(super) packets: u32,
    /// Bytes of their payloads.
    pub(super) bytes: u32,
    pub(super) reserved: u32,
}

impl Run {
    /// The connection ID that they were sent to.
    #[inline(always)]
    pub(super) fn cid(&self) -> Result<ServerChosen, Undecoded> {
        open(&self.cid, self.available)
    }
}

/// A connection ID that a client sends to, where only these bytes behind the first one are known.
#[inline(always)]
pub(super) fn open(cid: &[u64; 3], available: u32) -> Result<ServerChosen, Undecoded> {
    // SAFETY: twenty of twenty-four bytes.
    let bytes = unsafe { *cid.as_ptr().cast::<[u8; MAX_CID_BYTES]>() };
    ServerChosen::from_client(CidPacket::OneRtt, Cid::open(bytes, available as u8))
}

/// What was noted of the datagrams of a frame.
#[repr(C)]
pub(super) struct Found {
    /// Long headers.
    pub(super) long: u32,
    /// Short headers.
    pub(super) short: u32,
    /// Where the first long headers are: offsets and bytes.
    pub(super) longs: [(u32, u32); MOST_LONG],
    /// Where the last short header is.
    pub(super) short_offset: u32,
    /// Bytes of its datagram.
    pub(super) short_bytes: u32,
    /// Its first byte.
    pub(super) last: u32,
    /// Runs of short headers.
    pub(super) runs: u32,
    pub(super) run: [Run; MOST_RUNS],
    /// Which bits of a connection ID have to be those of the first run's, for another to say the same.
    pub(super) mask: [u64; 3],
}
