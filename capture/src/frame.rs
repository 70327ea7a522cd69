//! A frame as the capture holds it: bytes, lengths, time, link type and interface.
//!
//! The project counts frames without their frame check sequence (FCS), as the kernel hooks see
//! them; where a capture says that it holds one, it is taken off here.

/// One captured frame, lent out until the next one is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The interface, as an index within the file. Always 0 in pcap. In pcapng the interfaces of a
    /// later section are numbered on from those of the sections before, so that they never mix.
    pub interface: u32,
    /// The link type, a `LINKTYPE_` value (<https://www.tcpdump.org/linktypes.html>).
    pub link_type: u16,
    /// Time of capture in nanoseconds since the Unix epoch, held within the range of the type. 0
    /// for a pcapng Simple Packet Block, which has no time.
    pub timestamp_ns: u64,
    /// Length on the wire in bytes, without FCS; never less than `bytes.len()`.
    pub wire_bytes: u32,
    /// The direction, where a pcapng packet flags word tells it.
    pub direction: Option<Direction>,
    /// The captured bytes from the link-layer header on, without FCS.
    pub bytes: &'a [u8],
}

/// Which way a frame went, seen from the capturing host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Received by the host.
    Inbound,
    /// Sent by the host.
    Outbound,
}

/// Returns captured bytes and wire length with the last `fcs_bytes` of the wire taken off.
///
/// A frame cut by the snapshot length may hold a part of its FCS or nothing of it. A captured
/// length beyond the original one, which some writers leave, counts as the length on the wire.
pub(crate) fn strip_fcs(captured: &[u8], original_bytes: u32, fcs_bytes: u32) -> (&[u8], u32) {
    let captured_bytes = u32::try_from(captured.len()).unwrap_or(u32::MAX);
    let wire_bytes = original_bytes.max(captured_bytes).saturating_sub(fcs_bytes);
    let kept_bytes = captured_bytes.min(wire_bytes) as usize;
    (&captured[..kept_bytes], wire_bytes)
}
