//! Many flows out of one packet: test runs repeat the same buffer, and what a program wrote into it
//! stays there.
//!
//! The mixer takes the next number of a sequence, writes it over the source of the packet, and calls
//! the program under test in its place. Behind the mixer, the program that does nothing shows what
//! mixing costs. Checksums become wrong; nobody here looks at them.

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, xdp_action::XDP_ABORTED},
    macros::{classifier, map, xdp},
    maps::{Array, PerCpuArray, ProgramArray},
    programs::{TcContext, XdpContext},
};

use crate::reader::Linear;

/// Numbers in an entry of [`SEQUENCE`]: fewer calls to fill it. A power of two.
const BLOCK_NUMBERS: u32 = 1024;

/// The numbers of flows in the order of their packets. The loader sets the size.
#[map]
static SEQUENCE: Array<[u32; BLOCK_NUMBERS as usize]> = Array::with_max_entries(1, 0);

/// How many numbers there are. The loader sets it.
#[unsafe(no_mangle)]
static SEQUENCE_LENGTH: u32 = BLOCK_NUMBERS;

/// Which number of the sequence comes next on this CPU.
#[map]
static POSITION: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// The program under test, at XDP. Programs of another kind cannot be in the same array.
#[map]
static TARGET_XDP: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// The program under test, at TC.
#[map]
static TARGET_TC: ProgramArray = ProgramArray::with_max_entries(1, 0);

#[xdp(frags)]
fn bench_mix_xdp(context: XdpContext) -> u32 {
    mix(Linear {
        start: context.data(),
        end: context.data_end(),
    });
    // SAFETY: nothing here has to be dropped.
    unsafe { TARGET_XDP.tail_call(&context, 0) };
    // There is none.
    XDP_ABORTED
}

#[classifier]
fn bench_mix_tc(context: TcContext) -> i32 {
    mix(Linear {
        start: context.data(),
        end: context.data_end(),
    });
    // SAFETY: nothing here has to be dropped.
    unsafe { TARGET_TC.tail_call(&context, 0) };
    // There is none.
    TC_ACT_SHOT
}

/// Makes the next flow of a packet without VLAN tags, IPv4 options and IPv6 extension headers.
#[inline(always)]
fn mix(packet: Linear) {
    const IPV6: u16 = 0x86dd_u16.to_be();
    let (Some(number), Some(ethertype)) = (next(), packet.read::<u16>(12)) else {
        return;
    };
    // The last four bytes of the source address, and the source port. Different numbers are
    // different addresses already; the port makes it more like traffic.
    let (address, port) = if ethertype == IPV6 {
        (14 + 8 + 12, 14 + 40)
    } else {
        (14 + 12, 14 + 20)
    };
    packet.write(address, number.to_be());
    packet.write(port, number as u16);
}

#[inline(always)]
fn next() -> Option<u32> {
    let place = POSITION.get_ptr_mut(0)?;
    // SAFETY: this CPU's own value, and test runs do not interrupt one another.
    let position = unsafe { *place };
    // SAFETY: a reference is valid for reads. The loader writes the value that is in force.
    let length = unsafe { core::ptr::read_volatile(&raw const SEQUENCE_LENGTH) };
    let following = position + 1;
    // SAFETY: see above.
    unsafe { *place = if following >= length { 0 } else { following } };
    let block = SEQUENCE.get(position / BLOCK_NUMBERS)?;
    block.get((position % BLOCK_NUMBERS) as usize).copied()
}
