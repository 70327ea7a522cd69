//! TC: both directions, after the driver on receive and before the queue on transmit.

use aya_ebpf::{bindings::TC_ACT_UNSPEC, macros::classifier, programs::TcContext};
use netweir_wire::{
    map::{Count, Direction, InterfaceKey, segments, wire_bytes},
    packet::{LinkType, Problem},
};

use crate::{
    account::account,
    map::{self, Work},
    reader::{Copied, Linear},
};

/// Bytes of a VLAN tag that the kernel keeps beside the frame.
const TAG_BYTES: u32 = 4;

#[classifier]
fn netweir_tc_in(context: TcContext) -> i32 {
    meter(&context, Direction::Ingress, LinkType::Ethernet)
}

#[classifier]
fn netweir_tc_out(context: TcContext) -> i32 {
    meter(&context, Direction::Egress, LinkType::Ethernet)
}

#[classifier]
fn netweir_tc3_in(context: TcContext) -> i32 {
    meter(&context, Direction::Ingress, LinkType::Ip)
}

#[classifier]
fn netweir_tc3_out(context: TcContext) -> i32 {
    meter(&context, Direction::Egress, LinkType::Ip)
}

/// Does nothing: what measurements are compared with.
#[classifier]
fn netweir_no_tc(_context: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

#[inline(always)]
fn meter(context: &TcContext, direction: Direction, link: LinkType) -> i32 {
    let Some(work) = map::work() else {
        return TC_ACT_UNSPEC;
    };
    read(work, context, link);
    // SAFETY: the context is the one that the kernel passed in, and is not changed here.
    let skb = unsafe { &*context.skb.skb };
    let mut tag_bytes = 0;
    if skb.vlan_present != 0 {
        work.headers.push_outer_tag(skb.vlan_tci as u16);
        tag_bytes = TAG_BYTES;
    }
    let frame_bytes = skb.len + tag_bytes;
    let header_bytes = u32::from(work.headers.payload_offset) + tag_bytes;
    let packets = segments(frame_bytes, header_bytes, skb.gso_segs, skb.gso_size);
    let bytes = match direction {
        // The kernel worked out the length on the wire, inner headers of tunnels included.
        Direction::Egress if packets > 1 && skb.wire_len > skb.len => {
            u64::from(skb.wire_len) + u64::from(tag_bytes) * u64::from(packets)
        }
        _ => wire_bytes(frame_bytes, header_bytes, packets),
    };
    let interface = InterfaceKey {
        netns: map::setting(&map::NETNS),
        ifindex: skb.ifindex,
        direction: direction as u32,
    };
    let count = Count {
        packets: u64::from(packets),
        frames: 1,
        bytes,
    };
    account(work, interface, count);
    TC_ACT_UNSPEC
}

/// Reads the headers directly, and once more from a copy where the linear part is too short.
#[inline(always)]
fn read(work: &mut Work, context: &TcContext, link: LinkType) {
    let linear = Linear::new(context.data(), context.data_end(), &work.offset);
    work.headers.read_from(&linear, link);
    let complete = matches!(work.headers.problem, Problem::None);
    if !complete && linear.len() < context.len() as usize {
        let copied = Copied::from_tc(&mut work.copied, &work.offset, context);
        work.headers.read_from(&copied, link);
    }
}
