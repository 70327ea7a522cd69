//! Tracepoints: receive and transmit of all interfaces of all namespaces at once.
//!
//! `netif_receive_skb` comes before any other use of a received frame, `net_dev_queue` where a
//! frame is handed to the queue of its device. The skb is kernel memory here: each field is read
//! at the offset that the running kernel's type information gives.

use aya_ebpf::{
    helpers::generated::bpf_probe_read_kernel,
    macros::{btf_tracepoint, raw_tracepoint},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use netweir_wire::{
    map::{Count, Direction, InterfaceKey, SkbOffsets, StrayReason, Volume, segments, wire_bytes},
    packet::{Headers, LinkType, Truncated},
    stand_in,
};

use crate::{
    account::{account, account_watched},
    interface::stray,
    map::{self, KernelFrame, Work},
    quic::{self, MOST_DATAGRAMS, QuicWork},
    reader::{Copied, Payload, field, read_paged},
    rule,
    setting::setting,
};

/// Hardware types (ARPHRD_) whose frames begin with an Ethernet header.
const ETHERNET_KINDS: [u16; 2] = [1, 772];

#[btf_tracepoint(function = "netif_receive_skb")]
#[inline(always)]
fn netweir_tp_in(context: BtfTracePointContext) -> i32 {
    meter::<true>(context.arg(0), Direction::Ingress)
}

#[btf_tracepoint(function = "net_dev_queue")]
#[inline(always)]
fn netweir_tp_out(context: BtfTracePointContext) -> i32 {
    meter::<true>(context.arg(0), Direction::Egress)
}

#[raw_tracepoint(tracepoint = "netif_receive_skb")]
#[inline(always)]
fn netweir_rtp_in(context: RawTracePointContext) -> i32 {
    meter::<false>(context.arg(0), Direction::Ingress)
}

#[raw_tracepoint(tracepoint = "net_dev_queue")]
#[inline(always)]
fn netweir_rtp_out(context: RawTracePointContext) -> i32 {
    meter::<false>(context.arg(0), Direction::Egress)
}

/// The fields of an skb that a frame is counted by.
struct Skb {
    /// Where it is.
    address: u64,
    /// Bytes from the data pointer on, paged ones included.
    data_length: u32,
    /// Of these, the bytes that lie in pages.
    paged_length: u32,
    /// Address of the frame's first byte.
    start: u64,
    /// Bytes between the frame's first and the data pointer.
    pulled: u32,
    /// The VLAN tag beside the frame: protocol and tag, or 0.
    vlan: u32,
    gso_size: u16,
    gso_segments: u16,
    link: LinkType,
    interface: InterfaceKey,
}

impl Skb {
    /// Bytes from the frame's first one on that lie one behind the other.
    #[inline(always)]
    const fn linear(&self) -> u32 {
        self.pulled + self.data_length.saturating_sub(self.paged_length)
    }
}

/// `PAGED` says whether data in pages can be read.
#[inline(always)]
fn meter<const PAGED: bool>(skb: u64, direction: Direction) -> i32 {
    let Some(work) = map::work() else {
        return 0;
    };
    let offsets = map::skb_offsets();
    let Ok(skb) = read_skb(skb, direction, &offsets) else {
        let frame = Volume {
            packets: 1,
            bytes: 0,
        };
        stray(StrayReason::Unreadable, frame);
        return 0;
    };
    if quic::is_on() || rule::can_sample() {
        // For a look at it later: until then it would take room on the stack.
        work.frame = KernelFrame {
            start: skb.start,
            pulled: skb.pulled,
            linear: skb.linear(),
            bytes: skb.pulled + skb.data_length,
            segment: u32::from(skb.gso_size),
        };
    }
    read_headers(work, &skb, PAGED);
    let count = count(&skb, &work.headers);
    let then = if setting::<{ stand_in::TRACE_ANY }>() == 1 {
        account::<false>(work, skb.interface, count)
    } else {
        account_watched(work, skb.interface, count)
    };
    if rule::samples(then) {
        sample::<PAGED>(skb.address, work);
    }
    if let Some(quic) = quic::begin_look(work, then.may_be_quic())
        && look::<PAGED>(skb.address, &work.frame, quic)
    {
        quic::outdate(quic);
    }
    0
}

/// Tells the head of a frame that a rule samples. A function of its own, as [`look`] is.
#[inline(never)]
fn sample<const PAGED: bool>(skb: u64, work: &Work) {
    let frame = &work.frame;
    rule::sample(&Traced::<PAGED> { skb, frame }, work, frame.bytes);
}

/// Looks at the datagrams of a frame. Not a part of the programs that call it: its stack is its own.
#[inline(never)]
fn look<const PAGED: bool>(skb: u64, frame: &KernelFrame, work: &mut QuicWork) -> bool {
    let lengths = (frame.bytes, frame.segment);
    quic::look::<_, MOST_DATAGRAMS>(&Traced::<PAGED> { skb, frame }, work, lengths)
}

/// The frame of an skb at this address.
struct Traced<'a, const PAGED: bool> {
    skb: u64,
    frame: &'a KernelFrame,
}

impl<const PAGED: bool> Payload for Traced<'_, PAGED> {
    #[inline(always)]
    unsafe fn load(&self, offset: u32, to: *mut u8, bytes: u32) -> bool {
        let frame = self.frame;
        if offset + bytes <= frame.linear {
            let from = frame.start + u64::from(offset);
            // SAFETY: there is room by the caller's word; the kernel checks the address.
            return unsafe { bpf_probe_read_kernel(to.cast(), bytes, from as *const _) == 0 };
        }
        // SAFETY: there is room by the caller's word.
        PAGED && unsafe { read_paged(self.skb, offset - frame.pulled, to, bytes) }
    }
}

#[inline(always)]
fn read_skb(address: u64, direction: Direction, at: &SkbOffsets) -> Result<Skb, Truncated> {
    let device: u64 = field(address, at.dev)?;
    let netns: u64 = field(device, at.netns)?;
    let interface = InterfaceKey {
        netns: field(netns, at.netns_inode)?,
        ifindex: field(device, at.ifindex)?,
        direction: direction as u32,
    };
    let head: u64 = field(address, at.head)?;
    let data: u64 = field(address, at.data)?;
    let mac_header: u16 = field(address, at.mac_header)?;
    let end: u32 = field(address, at.end)?;
    let kind: u16 = field(device, at.kind)?;
    let link = if ETHERNET_KINDS.contains(&kind) {
        LinkType::Ethernet
    } else {
        LinkType::Ip
    };
    let mac = head + u64::from(mac_header);
    let start = if matches!(link, LinkType::Ethernet) && mac < data {
        mac
    } else {
        data
    };
    let shared = head + u64::from(end);
    Ok(Skb {
        address,
        data_length: field(address, at.len)?,
        paged_length: field(address, at.data_len)?,
        start,
        pulled: (data - start) as u32,
        vlan: field(address, at.vlan)?,
        gso_size: field(shared, at.gso_size)?,
        gso_segments: field(shared, at.gso_size + 2)?,
        link,
        interface,
    })
}

/// Copies the headers and reads them; those that lie in pages only where the kernel allows it.
#[inline(always)]
fn read_headers(work: &mut Work, skb: &Skb, paged: bool) {
    let linear = skb.linear() as usize;
    let mut copied = Copied::from_kernel(&mut work.copied, &work.offset, skb.start, linear);
    if paged && skb.paged_length != 0 {
        copied.append_data(skb.address, skb.pulled as usize, skb.data_length as usize);
    }
    work.headers.read_from(&copied, skb.link);
    if skb.vlan != 0 {
        // The protocol comes first, in network order; the target is little-endian.
        work.headers.push_outer_tag((skb.vlan >> 16) as u16);
    }
}

#[inline(always)]
fn count(skb: &Skb, headers: &Headers) -> Count {
    let mut frame_bytes = skb.pulled + skb.data_length;
    let mut header_bytes = u32::from(headers.payload_offset);
    if skb.vlan != 0 {
        frame_bytes += 4;
        header_bytes += 4;
    }
    let (gso_segments, gso_size) = (u32::from(skb.gso_segments), u32::from(skb.gso_size));
    let packets = segments(frame_bytes, header_bytes, gso_segments, gso_size);
    let bytes = wire_bytes(frame_bytes, header_bytes, packets);
    Count {
        packets: u64::from(packets),
        frames: 1,
        bytes,
    }
}
