//! The layouts of older ABIs, as far as what was counted in them is taken over.
//!
//! A module for each; whoever raises [`crate::version::ABI`] adds the one that it had, if anything in it
//! has another layout now.

pub mod v3;

pub use v3::V3;

use super::{Carried, Epoch, FlowKey, FlowValue, InterfaceCounters, InterfacePlace, Pod};

/// An older ABI. What it does not name had the layout that it has now, if it was there.
pub trait Older {
    /// Its number.
    const ABI: u32;
    /// Its [`FlowValue`]. The number of counters in what it becomes means nothing.
    type Value: Pod + Default + Into<FlowValue>;
    /// Its [`super::CacheEntry`].
    type Entry: Pod + Into<(FlowKey, FlowValue)>;
    /// Its [`InterfaceCounters`].
    type Counters: Pod + Into<InterfaceCounters>;
    /// Its [`Epoch`].
    type Epoch: Pod + Into<Epoch>;
    /// Its [`InterfacePlace`].
    type Place: Pod + Default + Into<InterfacePlace>;
    /// Its [`Carried`].
    type Carried: Pod + Into<Carried>;
}
