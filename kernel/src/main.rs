//! The kernel programs of Netweir.
//!
//! Three hooks read packets with the parser of the `wire` crate and add them to the maps of
//! [`map`]: interfaces first, then the flow. Unless a rule drops it, XDP passes a packet
//! and TC hands it to the next program. [`hook`] holds the programs, [`reader`] every access to packet
//! memory, [`account`] what happens to a packet that was read, [`quic`] what is looked at then, and
//! [`inline`] how one goes on to another interface.

#![no_std]
#![no_main]
// Counters that several CPUs share are added to with `atomic_xadd`: the target has no `fetch_add`.
// A table's address is a number of the agent's in the instructions, which is assembler.
#![feature(asm_experimental_arch)]
// Closures that are to be inlined in any case.
#![feature(stmt_expr_attributes)]
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "atomic_xadd is reachable in no other way on this target"
)]

mod account;
mod cache;
mod flows;
mod hook;
mod inline;
mod interface;
mod map;
mod quic;
mod reader;
mod rule;
mod setting;
mod table;

/// Helpers such as `bpf_probe_read_kernel` are reserved for programs under the GPL.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the verifier refuses a program that could panic.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
