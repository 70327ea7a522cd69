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
    reader::{Direct, Linear},
};

/// For drivers and kernels that know packets of several buffers.
#[xdp(frags)]
fn netweir_xdp(context: XdpContext) -> u32 {
    // SAFETY: the context is the one that the kernel passed in.
    let bytes = unsafe { bpf_xdp_get_buff_len(context.as_ptr().cast()) };
    meter(&context, bytes)
}

/// For the others: a packet is one buffer.
#[xdp]
fn netweir_xdp_lin(context: XdpContext) -> u32 {
    meter(&context, (context.data_end() - context.data()) as u64)
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
