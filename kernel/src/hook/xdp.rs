//! XDP: the receive path of the driver, before an skb exists.

use aya_ebpf::{
    EbpfContext,
    bindings::{xdp_action::XDP_PASS, xdp_md},
    helpers::generated::bpf_xdp_get_buff_len,
    macros::xdp,
    programs::XdpContext,
};
use netweir_wire::{
    map::{Count, Direction, InterfaceKey},
    packet::{LinkType, Usual},
};

use crate::{
    account::{account, account_usual},
    map,
    reader::{Direct, Linear, kernel_context},
};

/// For drivers and kernels that know packets of several buffers.
#[xdp(frags)]
fn netweir_xdp(context: XdpContext) -> u32 {
    let bytes = if has_frags(&context) {
        // SAFETY: the context is the one that the kernel passed in.
        unsafe { bpf_xdp_get_buff_len(context.as_ptr().cast()) }
    } else {
        linear_bytes(&context)
    };
    meter(&context, bytes)
}

/// Whether a packet has several buffers, as far as can be told: reading a flag of the kernel's own
/// structure costs nothing, whereas calling the helper costs more than parsing does.
#[inline(always)]
fn has_frags(context: &XdpContext) -> bool {
    /// `XDP_FLAGS_HAS_FRAGS` of the kernel's `net/xdp.h`.
    const HAS_FRAGS: u32 = 1;
    let offset = map::setting(&map::XDP_FLAGS);
    if offset == 0 {
        return true;
    }
    // SAFETY: the context is the one that the kernel passed in, and the agent found the offset in the
    // running kernel's types, by which the verifier checks it again.
    let flags = unsafe { *((kernel_context(context.as_ptr()) + u64::from(offset)) as *const u32) };
    flags & HAS_FRAGS != 0
}

#[inline(always)]
fn linear_bytes(context: &XdpContext) -> u64 {
    (context.data_end() - context.data()) as u64
}

/// For the others: a packet is one buffer.
#[xdp]
fn netweir_xdp_lin(context: XdpContext) -> u32 {
    meter(&context, linear_bytes(&context))
}

/// Does nothing: what measurements are compared with.
#[xdp]
fn netweir_no_xdp(_context: XdpContext) -> u32 {
    XDP_PASS
}

#[inline(always)]
fn meter(context: &XdpContext, bytes: u64) -> u32 {
    let md: *const xdp_md = context.as_ptr().cast();
    let interface = InterfaceKey {
        netns: map::setting(&map::NETNS),
        // SAFETY: the context is the one that the kernel passed in.
        ifindex: unsafe { (*md).ingress_ifindex },
        direction: Direction::Ingress as u32,
    };
    let count = Count {
        packets: 1,
        frames: 1,
        bytes,
    };
    let usual = Usual::read(&Direct::new(context.data(), context.data_end()));
    if usual.is_some_and(|usual| account_usual(&usual, interface, count)) {
        return XDP_PASS;
    }
    let Some(work) = map::work() else {
        return XDP_PASS;
    };
    let packet = Linear::new(context.data(), context.data_end(), &work.offset);
    work.headers.read_from(&packet, LinkType::Ethernet);
    account(work, interface, count);
    XDP_PASS
}
