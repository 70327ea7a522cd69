//! TC: both directions, after the driver on receive and before the queue on transmit.

use aya_ebpf::{
    bindings::{__sk_buff, TC_ACT_SHOT, TC_ACT_UNSPEC},
    helpers::generated::bpf_skb_load_bytes,
    macros::classifier,
    programs::TcContext,
};
use netweir_wire::{
    map::{Count, Direction, InterfaceKey, segments, wire_bytes},
    packet::{LinkType, Problem, Usual},
    stand_in,
};

use crate::{
    account::{account, account_usual},
    map::{self, Work},
    quic::{self, MOST_DATAGRAMS, QuicWork},
    reader::{Copied, Direct, Linear, Payload},
    rule,
    setting::setting,
};

/// Bytes of a VLAN tag that the kernel keeps beside the frame.
const TAG_BYTES: u32 = 4;

#[classifier]
#[inline(always)]
fn netweir_tc_in(context: TcContext) -> i32 {
    meter(&context, Direction::Ingress, LinkType::Ethernet)
}

#[classifier]
#[inline(always)]
fn netweir_tc_out(context: TcContext) -> i32 {
    meter(&context, Direction::Egress, LinkType::Ethernet)
}

#[classifier]
#[inline(always)]
fn netweir_tc3_in(context: TcContext) -> i32 {
    meter(&context, Direction::Ingress, LinkType::Ip)
}

#[classifier]
#[inline(always)]
fn netweir_tc3_out(context: TcContext) -> i32 {
    meter(&context, Direction::Egress, LinkType::Ip)
}

#[inline(always)]
fn meter(context: &TcContext, direction: Direction, link: LinkType) -> i32 {
    // SAFETY: the context is the one that the kernel passed in, and is not changed here.
    let skb = unsafe { &*context.skb.skb };
    let known = read_usual(
        context,
        skb,
        link,
        #[inline(always)]
        |usual| {
            let count = count(skb, direction, u32::from(usual.payload_offset));
            account_usual(&usual, interface(skb, direction), count)
        },
    );
    if known == Some(true) {
        return TC_ACT_UNSPEC;
    }
    meter_unusual(context, skb, (direction, link))
}

/// Accounts for a frame the long way, and does what is to be done with it.
#[inline(always)]
fn meter_unusual(
    context: &TcContext,
    skb: &__sk_buff,
    (direction, link): (Direction, LinkType),
) -> i32 {
    let Some(work) = map::work() else {
        return TC_ACT_UNSPEC;
    };
    read(work, context, link);
    if skb.vlan_present != 0 {
        work.headers.push_outer_tag(skb.vlan_tci as u16);
    }
    let count = count(skb, direction, u32::from(work.headers.payload_offset));
    let then = account::<true>(work, interface(skb, direction), count);
    if rule::samples(then) {
        sample(context.skb.skb, work);
    }
    if then.is_dropped() {
        return TC_ACT_SHOT;
    }
    if let Some(work) = quic::begin_look(work, then.may_be_quic())
        && look(context.skb.skb, work)
    {
        quic::outdate(work);
    }
    TC_ACT_UNSPEC
}

/// Tells the head of a frame that a rule samples. A function of its own, as [`look`] is.
#[inline(never)]
fn sample(skb: *mut __sk_buff, work: &Work) {
    // SAFETY: the context is the one that the kernel passed in.
    let bytes = unsafe { (*skb).len };
    rule::sample(&Skb(skb), work, bytes);
}

/// Looks at the datagrams of a frame, and says whether their backend is another now. Not a part of the
/// programs that call it: its stack is its own.
#[inline(never)]
fn look(skb: *mut __sk_buff, work: &mut QuicWork) -> bool {
    // SAFETY: the context is the one that the kernel passed in.
    let frame = unsafe { ((*skb).len, (*skb).gso_size) };
    quic::look::<_, MOST_DATAGRAMS>(&Skb(skb), work, frame)
}

/// The frame of a TC context.
struct Skb(*mut __sk_buff);

impl Payload for Skb {
    #[inline(always)]
    unsafe fn load(&self, offset: u32, to: *mut u8, bytes: u32) -> bool {
        // SAFETY: the context is the kernel's, and there is room by the caller's word.
        unsafe { bpf_skb_load_bytes(self.0.cast(), offset, to.cast(), bytes) == 0 }
    }
}

#[inline(always)]
fn interface(skb: &__sk_buff, direction: Direction) -> InterfaceKey {
    InterfaceKey {
        netns: setting::<{ stand_in::NETNS }>(),
        ifindex: skb.ifindex,
        direction: direction as u32,
    }
}

/// How much a frame is, whose headers within the linear part have `header_bytes`.
#[inline(always)]
fn count(skb: &__sk_buff, direction: Direction, header_bytes: u32) -> Count {
    let tag_bytes = if skb.vlan_present == 0 { 0 } else { TAG_BYTES };
    let frame_bytes = skb.len + tag_bytes;
    if skb.gso_size == 0 {
        return Count {
            packets: 1,
            frames: 1,
            bytes: u64::from(frame_bytes),
        };
    }
    let header_bytes = header_bytes + tag_bytes;
    let packets = segments(frame_bytes, header_bytes, skb.gso_segs, skb.gso_size);
    let bytes = match direction {
        // The kernel worked out the length on the wire, inner headers of tunnels included.
        Direction::Egress if packets > 1 && skb.wire_len > skb.len => {
            u64::from(skb.wire_len) + u64::from(tag_bytes) * u64::from(packets)
        }
        _ => wire_bytes(frame_bytes, header_bytes, packets),
    };
    Count {
        packets: u64::from(packets),
        frames: 1,
        bytes,
    }
}

/// Reads a frame the short way, where it is a usual one, and hands it on.
#[inline(always)]
fn read_usual<T>(
    context: &TcContext,
    skb: &__sk_buff,
    link: LinkType,
    then: impl FnOnce(Usual) -> T,
) -> Option<T> {
    let direct = Direct::new(context.data(), context.data_end());
    let then = #[inline(always)]
    |mut usual: Usual| {
        if skb.vlan_present != 0 {
            usual.push_outer_tag(skb.vlan_tci as u16);
        }
        then(usual)
    };
    match link {
        LinkType::Ethernet => Usual::read_for(&direct, then),
        _ => Usual::read_ip_for(&direct, then),
    }
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
