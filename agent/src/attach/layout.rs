//! The one place where the layouts of `wire` become layouts for aya.

use netweir_wire::map::Pod;

/// A layout of the kernel border, as aya's maps and globals take it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Layout<T>(pub(crate) T);

// SAFETY: transparent over a type whose every byte pattern is valid and that has no padding, which
// is what `wire`'s own `Pod` promises.
unsafe impl<T: Pod> aya::Pod for Layout<T> {}
