//! The layouts of everything that crosses the kernel border.
//!
//! All types are `#[repr(C)]` with explicit padding and neither enums nor booleans: the kernel and
//! whatever has been pinned by another version may write any byte. Enums stand beside them.
//! Counters are in host byte order, addresses and ports as on the wire.

mod cache;
mod class;
mod count;
mod filter;
mod flow;
mod inline;
mod interface;
mod layout;
pub mod old;
mod pin;
mod quic;
mod rule;
mod skb;

pub use cache::{
    Bucket, CacheEntry, CacheSeed, CacheState, Epoch, FLOWS_PER_BUCKET, FlowValue, IndexWord,
    LONG_WAY, MAX_CACHED_FLOWS, MAX_COUNTERS, WAYS,
};
pub use class::{Class, PORT_HTTP, PORT_HTTPS, PORT_QUIC, PortClasses, classes};
pub use count::{Count, Volume, segments, wire_bytes};
pub use filter::{
    FILTER_CLAUSES, FILTER_DESTINATION, FILTER_SOURCE, FILTER_TERMS, FilterClause, FilterKind,
    FilterProgram, FilterTerm, words,
};
use flow::ADDRESS_WORDS;
pub use flow::{FLOW_FIRST_FRAGMENT, FLOW_LATER_FRAGMENT, FlowCounters, FlowKey, KEY_WORDS};
pub use inline::{Bypass, InlineCounters, TAP_QUEUES, TapMark, TapSettings, TapSlot, TapSlots};
pub use interface::{
    Direction, INTERFACE_CLASSES, InterfaceCounters, InterfaceKey, InterfacePlace, LossReason,
    NEAR_PLACES, NearInterface, StrayReason, near_place,
};
pub use layout::{
    Cid, CidPacket, CidRoute, CidServer, FIELD_BIG_ENDIAN, FIELD_LITTLE_ENDIAN, LAYOUT_ANY_FAMILY,
    LAYOUT_CLEAR, LAYOUT_ENCRYPTED, LAYOUT_IPV4, LAYOUT_IPV6, LayoutField, LayoutProgram,
    LayoutRow, MAX_CID_BYTES, MAX_LAYOUTS, ServerChosen, Undecoded,
};
pub use pin::{About, Carried, CarriedSums, INTERFACE_NAME_BYTES, Phase};
pub use quic::{
    QUIC_CAPTURED_BYTES, QUIC_PLACES, QUIC_SHORT_BYTES, QuicBackendKey, QuicCounters, QuicEvent,
    QuicEventKind, QuicLimits, QuicLoss, QuicPlace, SpinSums,
};
pub use rule::{
    HEAD_BYTES, HeadCounters, HeadLoss, MAX_RULES, PacketHead, RULE_NUMBERS, RULE_ROWS, RULE_SLOTS,
    RULE_STEPS, RULE_TREES, RuleAction, RuleFacts, RuleFlow, RuleMark, RuleMemory, RuleRoot,
    RuleRow, RuleSlot, RuleTable,
};
pub use skb::SkbOffsets;

/// A layout that may be read from, and written as, any bytes.
///
/// # Safety
/// Implemented by `pod!` only, whose conditions are the ones of this trait.
pub unsafe trait Pod: Copy + 'static {}

/// Declares layouts that may be read from, and written as, any bytes, with their sizes.
macro_rules! pod {
    ($($type:ty: $bytes:expr),+ $(,)?) => {
        $(
            const _: () = assert!(size_of::<$type>() == $bytes);
            // SAFETY: every layout of this module is `#[repr(C)]` and built from integers and byte
            // arrays alone, so any byte is valid for it; the size asserted above equals the sum of
            // its fields, so it has no padding.
            unsafe impl Pod for $type {}
        )+
    };
}

pod! {
    FlowKey: 56,
    FlowValue: 64,
    CacheEntry: 128,
    CacheSeed: 56,
    CacheState: 32,
    Epoch: 24,
    Count: 24,
    Volume: 16,
    InterfaceKey: 12,
    InterfacePlace: 16,
    NearInterface: 8,
    InterfaceCounters: 3 * 24 + 4 * 16 + 3 * 16 + 13 * 16 + 10 * 8,
    InlineCounters: 4 * 8 + 2 * 5 * 8,
    TapMark: 16,
    TapSettings: 64,
    TapSlot: 128,
    TapSlots: 64 + 64 * 128,
    FilterTerm: 40,
    FilterClause: 8,
    FilterProgram: 16 * 40 + 8 * 8 + 4 * 4,
    LayoutField: 16,
    LayoutRow: 80,
    LayoutProgram: 16 * 80 + 2 * 4,
    PortClasses: 65536,
    QuicBackendKey: 24,
    QuicCounters: 160,
    QuicEvent: 104,
    QuicLimits: 16,
    QuicPlace: 72,
    SpinSums: 32,
    HeadCounters: 48,
    RuleFacts: 64,
    RuleRoot: 8,
    RuleRow: 112,
    RuleTable: 20 * 4 + 32768 * 4 + 2048 * 112,
    PacketHead: 72,
    SkbOffsets: 52,
    About: 120,
    Carried: size_of::<InterfaceCounters>() + 24,
    CarriedSums: 2 * 16 + 160 + 48,
    old::v3::Value: 64,
    old::v3::Entry: 128,
    old::v3::Counters: 3 * 24 + 2 * 16 + 3 * 16 + 13 * 16 + 10 * 8,
    old::v3::Epoch: 16,
    old::v3::Place: 8,
    old::v3::Carried: size_of::<old::v3::Counters>() + 24,
}
