//! Every access to packet memory.
//!
//! Three ways to reach a packet's bytes, each a [`Packet`] for the parser: the linear part that a
//! program may read directly, the same bytes copied when the headers do not lie in one piece, and
//! (tracepoints) kernel memory that has to be copied in any case.

use core::{arch::asm, sync::atomic::AtomicU64};

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_probe_read_kernel, generated},
    programs::TcContext,
};
use netweir_wire::{
    packet::{Packet, Truncated, Window},
    stand_in,
};

use crate::{map::COPIED_BYTES, setting::masked};

/// What stands in memory, read anew: the verifier is not to follow what was written before.
#[inline(always)]
pub(crate) fn volatile<T: Copy>(place: &T) -> T {
    // SAFETY: a reference is valid for reads.
    unsafe { core::ptr::from_ref(place).read_volatile() }
}

/// The bytes of a frame, wherever they are.
pub(crate) trait Payload {
    /// Copies `bytes` (at least one) at `offset` to `to`; says whether they are there.
    ///
    /// # Safety
    /// `to` must have room for them.
    unsafe fn load(&self, offset: u32, to: *mut u8, bytes: u32) -> bool;
}

/// The linear part of a packet, for reading at offsets that the compiler knows.
pub(crate) struct Direct {
    start: usize,
    end: usize,
}

impl Direct {
    /// The bytes from `start` up to `end`, as the context gives them.
    #[inline(always)]
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

impl Packet for Direct {
    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Result<[u8; N], Truncated> {
        let from = self.start + offset;
        if from + N > self.end {
            return Err(Truncated);
        }
        // SAFETY: both ends were compared with the packet's end just above, which the verifier
        // proves again; arrays of bytes need no alignment.
        Ok(unsafe { *(from as *const [u8; N]) })
    }
}

impl Window for Direct {
    #[inline(always)]
    fn behind(&self, offset: usize) -> Self {
        Self {
            start: self.start + offset,
            end: self.end,
        }
    }

    #[inline(always)]
    fn holds(&self, bytes: usize) -> bool {
        self.start + bytes <= self.end
    }

    #[inline(always)]
    fn held<const N: usize>(&self, offset: usize) -> [u8; N] {
        // SAFETY: the verifier proves that the packet's end was compared with before; arrays of bytes
        // need no alignment.
        unsafe { *((self.start + offset) as *const [u8; N]) }
    }
}

/// The linear part of a packet, between the pointers that the verifier watches over.
pub(crate) struct Linear<'a> {
    start: usize,
    end: usize,
    memory: &'a AtomicU64,
}

impl<'a> Linear<'a> {
    /// The bytes from `start` up to `end`, as the context gives them.
    #[inline(always)]
    pub(crate) fn new(start: usize, end: usize, memory: &'a AtomicU64) -> Self {
        Self { start, end, memory }
    }

    /// Bytes between the two pointers.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }
}

impl Packet for Linear<'_> {
    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Result<[u8; N], Truncated> {
        if offset > COPIED_BYTES {
            return Err(Truncated);
        }
        let from = self.start + bounded(offset);
        if from + N > self.end {
            return Err(Truncated);
        }
        // SAFETY: both ends were compared with the packet's end just above, which the verifier
        // proves again; arrays of bytes need no alignment.
        Ok(unsafe { *(from as *const [u8; N]) })
    }

    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget(self.memory, offset)
    }
}

/// A number that was compared with [`COPIED_BYTES`], bounded once more where it is used: before
/// Linux 5.15 the verifier knows nothing any more of a number that was kept on the stack meanwhile.
#[inline(always)]
fn bounded(offset: usize) -> usize {
    const BITS: u64 = COPIED_BYTES.next_power_of_two() as u64 - 1;
    masked::<BITS>(offset as u64) as usize
}

/// The first bytes of a packet in this CPU's working memory.
pub(crate) struct Copied<'a> {
    bytes: &'a mut [u8; 2 * COPIED_BYTES],
    length: usize,
    memory: &'a AtomicU64,
}

impl<'a> Copied<'a> {
    /// Copies the head of an skb, whichever pages it lies in.
    #[inline(always)]
    pub(crate) fn from_tc(
        bytes: &'a mut [u8; 2 * COPIED_BYTES],
        memory: &'a AtomicU64,
        context: &TcContext,
    ) -> Self {
        let mut length = (context.len() as usize).min(COPIED_BYTES);
        if length > 1 {
            // SAFETY: the memory is larger than `length`.
            let failed = unsafe {
                generated::bpf_skb_load_bytes(
                    context.as_ptr().cast(),
                    0,
                    bytes.as_mut_ptr().cast(),
                    length as u32,
                )
            };
            if failed != 0 {
                length = 0;
            }
        }
        Self {
            bytes,
            length,
            memory,
        }
    }

    /// Copies `length` bytes of kernel memory at `from`.
    #[inline(always)]
    pub(crate) fn from_kernel(
        bytes: &'a mut [u8; 2 * COPIED_BYTES],
        memory: &'a AtomicU64,
        from: u64,
        length: usize,
    ) -> Self {
        let mut length = length.min(COPIED_BYTES);
        // SAFETY: the memory is larger than `length`; reading is checked by the kernel.
        let failed = unsafe {
            generated::bpf_probe_read_kernel(
                bytes.as_mut_ptr().cast(),
                bounded(length) as u32,
                from as *const _,
            )
        };
        if failed != 0 {
            length = 0;
        }
        Self {
            bytes,
            length,
            memory,
        }
    }

    /// Copies what follows the first `kept` bytes from the skb's own data, paged or not.
    ///
    /// `data_length` is how much the skb has from its data pointer on.
    #[inline(always)]
    pub(crate) fn append_data(&mut self, skb: u64, kept: usize, data_length: usize) {
        let length = data_length.min(COPIED_BYTES);
        if kept > COPIED_BYTES || length == 0 {
            return;
        }
        let mut dynptr = Dynptr::default();
        // SAFETY: this call is replaced by one of the kernel's function before the object is
        // loaded, and the verifier checks its arguments.
        if unsafe { dynptr_from_skb(skb, 0, &mut dynptr) } != 0 {
            return;
        }
        // SAFETY: `kept` and `length` are at most half of the working memory each.
        let failed = unsafe {
            generated::bpf_dynptr_read(
                self.bytes.as_mut_ptr().add(kept).cast(),
                length as _,
                core::ptr::from_mut(&mut dynptr).cast(),
                0,
                0,
            )
        };
        if failed == 0 {
            self.length = kept + length;
        }
    }
}

impl Packet for Copied<'_> {
    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Result<[u8; N], Truncated> {
        if offset > COPIED_BYTES || offset + N > self.length {
            return Err(Truncated);
        }
        // SAFETY: the working memory is twice COPIED_BYTES long, and `offset` is at most once.
        Ok(unsafe { *self.bytes.as_ptr().add(offset).cast() })
    }

    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget(self.memory, offset)
    }
}

/// Takes an offset through the memory of a map, whose contents the verifier does not follow.
#[inline(always)]
pub(crate) fn forget(memory: &AtomicU64, offset: usize) -> usize {
    let place = memory.as_ptr();
    // SAFETY: a cell is valid for writes and reads.
    unsafe {
        place.write_volatile(offset as u64);
        place.read_volatile() as usize
    }
}

/// The number of an enum as an index that the compiler knows nothing of, so that it keeps the
/// comparison with the array's length: the verifier wants to see it.
#[inline(always)]
pub(crate) fn opaque<T>(number: &T) -> usize {
    const { assert!(size_of::<T>() == 1) };
    // SAFETY: one byte is read from a reference to one byte.
    usize::from(unsafe { core::ptr::from_ref(number).cast::<u8>().read_volatile() })
}

/// Copies `bytes` (at least one) at `offset` of an skb's own data, paged or not; says whether they are
/// there.
///
/// Not a part of what calls it: what the verifier keeps of a dynptr ends with its stack.
///
/// # Safety
/// `to` must have room for them.
#[inline(never)]
pub(crate) unsafe fn read_paged(skb: u64, offset: u32, to: *mut u8, bytes: u32) -> bool {
    let mut dynptr = Dynptr::default();
    // SAFETY: as in `append_data`; there is room by the caller's word.
    unsafe {
        dynptr_from_skb(skb, 0, &mut dynptr) == 0
            && generated::bpf_dynptr_read(
                to.cast(),
                bytes as _,
                core::ptr::from_mut(&mut dynptr).cast(),
                offset as _,
                0,
            ) == 0
    }
}

/// The kernel's `struct bpf_dynptr`.
#[repr(C, align(8))]
#[derive(Default)]
struct Dynptr([u64; 2]);

/// Calls `bpf_dynptr_from_skb`, which has no helper number: the agent finds the number that stands
/// here and replaces the call (`call_kernel_function` in `agent/src/attach/object.rs`).
#[inline(always)]
unsafe fn dynptr_from_skb(skb: u64, flags: u64, dynptr: &mut Dynptr) -> i64 {
    type Function = unsafe extern "C" fn(u64, u64, *mut Dynptr) -> i64;
    // SAFETY: a helper's number in the place of its address is how the target calls helpers.
    let function: Function = unsafe { core::mem::transmute(stand_in::DYNPTR_FROM_SKB) };
    // SAFETY: see above.
    unsafe { function(skb, flags, dynptr) }
}

/// Reads a field of a kernel structure.
#[inline(always)]
pub(crate) fn field<T>(base: u64, offset: u32) -> Result<T, Truncated> {
    // SAFETY: the kernel checks the address and fails where nothing is there.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.map_err(|_| Truncated)
}

/// Reads a member of a kernel structure of which the verifier knows the type: a load, no call. The agent puts
/// the member's offset in the place of the stand-in, by which the verifier checks it again.
///
/// # Safety
/// The structure is what the verifier takes `base` for, and has the member.
#[inline(always)]
pub(crate) unsafe fn member<const STAND_IN: u64, T: Copy>(mut base: u64) -> T {
    // In assembler, so that the compiler does not make one stand-in out of another.
    // SAFETY: a number is added to a register, and by the caller's word something is there.
    unsafe {
        asm!("{} += {}", inout(reg) base, const STAND_IN, options(pure, nomem, nostack));
        (base as *const T).read()
    }
}

/// Calls `bpf_cast_to_kern_ctx`: the kernel's own structure behind a context. As with
/// `bpf_dynptr_from_skb`, the agent puts the function's number here.
///
/// # Safety
/// The context must be the one that the kernel passed in.
#[inline(always)]
pub(crate) unsafe fn kernel_context(context: *mut core::ffi::c_void) -> u64 {
    type Function = unsafe extern "C" fn(*mut core::ffi::c_void) -> u64;
    // SAFETY: a helper's number in the place of its address is how the target calls helpers.
    let function: Function = unsafe { core::mem::transmute(stand_in::CAST_TO_KERN_CTX) };
    // SAFETY: by the caller's word.
    unsafe { function(context) }
}
