//! Programs that only the benchmarks load: what Netweir's own are compared with.
//!
//! [`plain`] counts flows as the usual agents do and is the yardstick; [`mixer`] makes another flow
//! of the packet at hand and hands it to a program under test; [`far`] sends and receives what
//! crosses a bump in the wire. This object uses nothing of the other one and nothing of `wire`, so
//! that the yardstick stays as long as it is while these change. `tests/src/yardstick.rs` loads it;
//! no binary that users run contains it.

#![no_std]
#![no_main]
// The target has no `fetch_add`.
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "atomic_xadd is reachable in no other way on this target"
)]

mod far;
mod mixer;
mod plain;
mod reader;

use aya_ebpf::{
    bindings::{TC_ACT_UNSPEC, xdp_action::XDP_PASS},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

/// Does nothing: what every other program is compared with.
#[xdp(frags)]
fn bench_empty_xdp(_context: XdpContext) -> u32 {
    XDP_PASS
}

/// As [`bench_empty_xdp`], at TC.
#[classifier]
fn bench_empty_tc(_context: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// Some helpers are reserved for programs under the GPL.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the verifier refuses a program that could panic.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
