//! The far ends of a bump in the wire: where live frames set out, and where they arrive.
//!
//! Frames that arrive are counted, and dropped or left to the stack. Those with a number also say when they were
//! sent, and how long they were on their way is kept.

use aya_ebpf::{
    bindings::{
        TC_ACT_UNSPEC,
        xdp_action::{XDP_ABORTED, XDP_DROP},
    },
    helpers::generated::bpf_ktime_get_ns,
    macros::{classifier, map, xdp},
    maps::{Array, DevMap, PerCpuArray},
    programs::{TcContext, XdpContext},
};

use crate::reader::Linear;

/// Numbers that a frame may have.
const NUMBERS: u32 = 65_536;

/// Where UDP over IPv4 without options has its payload: time, then number. Both in the byte order of the
/// machine.
const PAYLOAD: usize = 14 + 20 + 8;

/// The interface by which live frames set out.
#[map]
static OUT: DevMap = DevMap::with_max_entries(1, 0);

/// Frames that arrived.
#[map]
static ARRIVED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// How long the frame of each number was on its way, in nanoseconds.
#[map]
static DELAYS: Array<u64> = Array::with_max_entries(NUMBERS, 0);

/// Sends the frame of a test run.
#[xdp]
fn bench_send_xdp(_context: XdpContext) -> u32 {
    OUT.redirect(0, 0).unwrap_or(XDP_ABORTED)
}

/// Counts a frame and drops it in the driver.
#[xdp]
fn bench_arrive_xdp(context: XdpContext) -> u32 {
    arrive(context.data(), context.data_end());
    XDP_DROP
}

/// Counts a frame where the stack begins, which goes on with it.
#[classifier]
fn bench_arrive_tc(context: TcContext) -> i32 {
    arrive(context.data(), context.data_end());
    TC_ACT_UNSPEC
}

#[inline(always)]
fn arrive(start: usize, end: usize) {
    if let Some(arrived) = ARRIVED.get_ptr_mut(0) {
        // SAFETY: this CPU's own value, and programs of a hook do not interrupt one another.
        unsafe { *arrived += 1 };
    }
    let packet = Linear { start, end };
    // At once: of two reads the compiler leaves one comparison out, and the verifier misses it.
    if let Some([low, high, number @ (1..)]) = packet.read::<[u32; 3]>(PAYLOAD) {
        let sent_ns = u64::from(high) << 32 | u64::from(low);
        // SAFETY: the helper takes no arguments.
        let now_ns = unsafe { bpf_ktime_get_ns() };
        if let Some(delay) = DELAYS.get_ptr_mut(number) {
            // SAFETY: no two frames have the same number.
            unsafe { *delay = now_ns.wrapping_sub(sent_ns) };
        }
    }
}
