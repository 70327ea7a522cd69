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
    stand_in,
};

use crate::{
    account::{account, account_usual},
    map,
    reader::{Direct, Linear, kernel_context},
    setting::setting,
};

/// For drivers and kernels that know packets of several buffers, where programs can read the
/// kernel's own structure.
///
/// Reading a flag there costs nothing, whereas calling the helper costs more than parsing does.
#[xdp(frags)]
#[inline(always)]
fn netweir_xdp(context: XdpContext) -> u32 {
    /// `XDP_FLAGS_HAS_FRAGS` of the kernel's `net/xdp.h`.
    const HAS_FRAGS: u32 = 1;
    // SAFETY: the context is the one that the kernel passed in, and the agent puts the member's
    // offset in the place of this number, by which the verifier checks it again.
    let flags =
        unsafe { *((kernel_context(context.as_ptr()) + stand_in::XDP_FLAGS) as *const u32) };
    let bytes = if flags & HAS_FRAGS == 0 {
        linear_bytes(&context)
    } else {
        all_bytes(&context)
    };
    meter(&context, bytes)
}

/// The same where programs cannot read it.
#[xdp(frags)]
#[inline(always)]
fn netweir_xdp_len(context: XdpContext) -> u32 {
    meter(&context, all_bytes(&context))
}

#[inline(always)]
fn all_bytes(context: &XdpContext) -> u64 {
    // SAFETY: the context is the one that the kernel passed in.
    unsafe { bpf_xdp_get_buff_len(context.as_ptr().cast()) }
}

#[inline(always)]
fn linear_bytes(context: &XdpContext) -> u64 {
    (context.data_end() - context.data()) as u64
}

/// For the others: a packet is one buffer.
#[xdp]
#[inline(always)]
fn netweir_xdp_lin(context: XdpContext) -> u32 {
    meter(&context, linear_bytes(&context))
}

#[inline(always)]
fn meter(context: &XdpContext, bytes: u64) -> u32 {
    let direct = Direct::new(context.data(), context.data_end());
    let known = Usual::read_for(
        &direct,
        #[inline(always)]
        |usual| account_usual(&usual, interface(context), count(bytes)),
    );
    if known == Some(true) {
        return XDP_PASS;
    }
    let Some(work) = map::work() else {
        return XDP_PASS;
    };
    let packet = Linear::new(context.data(), context.data_end(), &work.offset);
    work.headers.read_from(&packet, LinkType::Ethernet);
    account(work, interface(context), count(bytes));
    XDP_PASS
}

#[inline(always)]
fn interface(context: &XdpContext) -> InterfaceKey {
    let md: *const xdp_md = context.as_ptr().cast();
    InterfaceKey {
        netns: setting::<{ stand_in::NETNS }>(),
        // SAFETY: the context is the one that the kernel passed in.
        ifindex: unsafe { (*md).ingress_ifindex },
        direction: Direction::Ingress as u32,
    }
}

#[inline(always)]
const fn count(bytes: u64) -> Count {
    Count {
        packets: 1,
        frames: 1,
        bytes,
    }
}
