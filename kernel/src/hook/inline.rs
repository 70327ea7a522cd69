//! The inline path: XDP that sends frames on to another interface, and what becomes of them then.
//!
//! A redirect is only a promise: where a program ends the frame has not gone yet. Whether it has the
//! tracepoints behind tell.

use aya_ebpf::{
    macros::{raw_tracepoint, xdp},
    programs::{RawTracePointContext, XdpContext},
};

use super::xdp::{frame_bytes, linear_bytes, meter};
use crate::inline;

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
#[raw_tracepoint(tracepoint = "xdp_devmap_xmit")]
#[inline(always)]
fn netweir_sent(context: RawTracePointContext) -> i32 {
    let (sent, unsent): (u64, u64) = (context.arg(2), context.arg(3));
    inline::sent(context.arg(0), sent as u32, unsent as u32);
    0
}

/// The device, the program, the target, the error, the kind of the map, its number, and the place in it.
#[raw_tracepoint(tracepoint = "xdp_redirect_err")]
#[inline(always)]
fn netweir_refused(context: RawTracePointContext) -> i32 {
    let kind: u64 = context.arg(4);
    inline::refused(context.arg(0), kind as u32, context.arg(6));
    0
}

/// The same before Linux 5.13: the device, the program, the target, the error, the map, and the place in it.
#[raw_tracepoint(tracepoint = "xdp_redirect_err")]
#[inline(always)]
fn netweir_refus_6(context: RawTracePointContext) -> i32 {
    let kind = inline::kind_of(context.arg(4));
    inline::refused(context.arg(0), kind, context.arg(5));
    0
}
