//! The inline path: XDP that sends frames on to another interface, and what becomes of them then.
//!
//! A redirect is only a promise: where a program ends the frame has not gone yet. Whether it has the
//! tracepoints behind tell, whose programs run for each batch, and where frames come one by one for each frame: so
//! they are typed ones, which read the kernel's structures without a call. Behind the driver (generic XDP) the kernel
//! tells of errors alone.

use aya_ebpf::{
    bindings::xdp_action::XDP_TX,
    macros::{btf_tracepoint, xdp},
    programs::{BtfTracePointContext, XdpContext},
};
use netweir_wire::stand_in;

use super::xdp::{frame_bytes, linear_bytes, meter};
use crate::{inline, reader::member};

/// For drivers and kernels that know packets of several buffers.
#[xdp(frags)]
#[inline(always)]
fn netweir_inl(context: XdpContext) -> u32 {
    meter::<true, true>(&context, frame_bytes(&context))
}

/// For the others: a packet is one buffer.
#[xdp]
#[inline(always)]
fn netweir_inl_lin(context: XdpContext) -> u32 {
    meter::<false, true>(&context, linear_bytes(&context))
}

/// `from`, `to`, how many were sent, how many not, and the error.
#[btf_tracepoint(function = "xdp_devmap_xmit")]
#[inline(always)]
fn netweir_sent(context: BtfTracePointContext) -> i32 {
    let (sent, unsent): (i32, i32) = (context.arg(2), context.arg(3));
    // SAFETY: the first argument is the device.
    unsafe { inline::sent(context.arg(0), sent.cast_unsigned(), unsent.cast_unsigned()) };
    0
}

/// The device, the program, the target, the error, the kind of the map, its number, and the place in it.
#[btf_tracepoint(function = "xdp_redirect_err")]
#[inline(always)]
fn netweir_refused(context: BtfTracePointContext) -> i32 {
    // SAFETY: the first argument is the device.
    unsafe { inline::refused(context.arg(0), context.arg(4), context.arg(6)) };
    0
}

/// The same before Linux 5.13: the device, the program, the target, the error, the map, and the place in it.
#[btf_tracepoint(function = "xdp_redirect_err")]
#[inline(always)]
fn netweir_refus_6(context: BtfTracePointContext) -> i32 {
    // SAFETY: the fifth argument is a map or nothing, and of nothing the kernel reads zeroes.
    let kind = unsafe { member::<{ stand_in::MAP_KIND }, u32>(context.arg(4)) };
    // SAFETY: the first argument is the device.
    unsafe { inline::refused(context.arg(0), kind, context.arg(5)) };
    0
}

/// The device, the program, and what was to be done with a frame. Behind the driver the kernel tells so of one
/// that is not sent on, and names the device that did not take it.
#[btf_tracepoint(function = "xdp_exception")]
#[inline(always)]
fn netweir_unsent(context: BtfTracePointContext) -> i32 {
    if context.arg::<u32>(2) == XDP_TX {
        // SAFETY: the first argument is the device.
        unsafe { inline::not_taken(context.arg(0)) };
    }
    0
}
