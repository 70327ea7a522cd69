//! XDP: the receive path of the driver, before an skb exists.

use aya_ebpf::{
    EbpfContext,
    bindings::{
        xdp_action::{XDP_DROP, XDP_PASS},
        xdp_md,
    },
    helpers::generated::{bpf_probe_read_kernel, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
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
    inline,
    map::{self, Work},
    quic::{self, QuicWork},
    reader::{Direct, Linear, Payload, kernel_context},
    rule,
    setting::setting,
};

/// For drivers and kernels that know packets of several buffers, where programs can read the
/// kernel's own structure.
///
/// Reading a flag there costs nothing, whereas calling the helper costs more than parsing does.
#[xdp(frags)]
#[inline(always)]
fn netweir_xdp(context: XdpContext) -> u32 {
    meter::<true, false>(&context, frame_bytes(&context))
}

/// The same where programs cannot read it.
#[xdp(frags)]
#[inline(always)]
fn netweir_xdp_len(context: XdpContext) -> u32 {
    meter::<true, false>(&context, all_bytes(&context))
}

/// Bytes of a frame, where programs can read the kernel's own structure.
#[inline(always)]
pub(super) fn frame_bytes(context: &XdpContext) -> u64 {
    /// `XDP_FLAGS_HAS_FRAGS` of the kernel's `net/xdp.h`.
    const HAS_FRAGS: u32 = 1;
    // SAFETY: the context is the one that the kernel passed in, and the agent puts the member's
    // offset in the place of this number, by which the verifier checks it again.
    let flags =
        unsafe { *((kernel_context(context.as_ptr()) + stand_in::XDP_FLAGS) as *const u32) };
    if flags & HAS_FRAGS == 0 {
        linear_bytes(context)
    } else {
        all_bytes(context)
    }
}

#[inline(always)]
fn all_bytes(context: &XdpContext) -> u64 {
    // SAFETY: the context is the one that the kernel passed in.
    unsafe { bpf_xdp_get_buff_len(context.as_ptr().cast()) }
}

#[inline(always)]
pub(super) fn linear_bytes(context: &XdpContext) -> u64 {
    (context.data_end() - context.data()) as u64
}

/// For the others: a packet is one buffer.
#[xdp]
#[inline(always)]
fn netweir_xdp_lin(context: XdpContext) -> u32 {
    meter::<false, false>(&context, linear_bytes(&context))
}

/// `FRAGS` says whether packets may have several buffers, `INLINE` whether those that pass go on to
/// another interface.
#[inline(always)]
pub(super) fn meter<const FRAGS: bool, const INLINE: bool>(
    context: &XdpContext,
    bytes: u64,
) -> u32 {
    let direct = Direct::new(context.data(), context.data_end());
    let known = Usual::read_for(
        &direct,
        #[inline(always)]
        |usual| account_usual(&usual, interface(context), count(bytes)),
    );
    if known == Some(true) {
        return pass::<INLINE>();
    }
    meter_unusual::<FRAGS, INLINE>(context, bytes)
}

/// Where a frame goes that no rule tells otherwise of.
#[inline(always)]
fn pass<const INLINE: bool>() -> u32 {
    if INLINE { inline::cross() } else { XDP_PASS }
}

/// Accounts for a frame of so many bytes the long way, and does what is to be done with it.
#[inline(always)]
fn meter_unusual<const FRAGS: bool, const INLINE: bool>(context: &XdpContext, bytes: u64) -> u32 {
    let Some(work) = map::work() else {
        return pass::<INLINE>();
    };
    let packet = Linear::new(context.data(), context.data_end(), &work.offset);
    work.headers.read_from(&packet, LinkType::Ethernet);
    let then = account::<true>(work, interface(context), count(bytes));
    let md = context.as_ptr().cast();
    if rule::samples(then) {
        sample::<FRAGS>(md, work, bytes);
    }
    if then.is_dropped() {
        return XDP_DROP;
    }
    let rule = work.entry.value.rule;
    if let Some(work) = quic::begin_look(work, then.may_be_quic())
        && look::<FRAGS>(md, work, bytes as u32)
    {
        quic::outdate(work);
    }
    if INLINE && then.is_tapped() {
        return inline::tap(md, u32::from(rule), bytes as u32);
    }
    pass::<INLINE>()
}

/// Tells the head of a frame that a rule samples. A function of its own, as [`look`] is.
#[inline(never)]
fn sample<const FRAGS: bool>(md: *mut xdp_md, work: &Work, bytes: u64) {
    rule::sample(&Buffer::<FRAGS>(md), work, bytes as u32);
}

/// Looks at the datagram of a frame of so many bytes, and says whether its backend is another now. Not a
/// part of the programs that call it: its stack is its own.
#[inline(never)]
fn look<const FRAGS: bool>(md: *mut xdp_md, work: &mut QuicWork, bytes: u32) -> bool {
    quic::look::<_, 1>(&Buffer::<FRAGS>(md), work, (bytes, 0))
}

/// The packet of an XDP context.
struct Buffer<const FRAGS: bool>(*mut xdp_md);

impl<const FRAGS: bool> Payload for Buffer<FRAGS> {
    #[inline(always)]
    unsafe fn load(&self, offset: u32, to: *mut u8, bytes: u32) -> bool {
        if FRAGS {
            // SAFETY: the context is the kernel's, and there is room by the caller's word.
            return unsafe { bpf_xdp_load_bytes(self.0, offset, to.cast(), bytes) } == 0;
        }
        // SAFETY: the context is the one that the kernel passed in.
        let (data, end) = unsafe { ((*self.0).data as u64, (*self.0).data_end as u64) };
        let from = data + u64::from(offset);
        if from + u64::from(bytes) > end {
            return false;
        }
        // SAFETY: there is room by the caller's word; the kernel checks the address.
        unsafe { bpf_probe_read_kernel(to.cast(), bytes, from as *const _) == 0 }
    }
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
