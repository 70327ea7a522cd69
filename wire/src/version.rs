//! The number of the kernel border.
//!
//! Both sides carry it: the object in its read-only section, user space in its code. Whoever
//! changes a layout in [`crate::map`] changes the number too; the test here fails otherwise.

/// Number of the layouts in [`crate::map`] as they are now.
pub const ABI: u32 = 5;

#[cfg(test)]
mod tests {
    use crate::map;

    /// Every layout as it was when [`super::ABI`] got its present value.
    #[test]
    fn a_changed_layout_changes_the_number() {
        let sizes = [
            size_of::<map::FlowKey>(),
            size_of::<map::CacheEntry>(),
            size_of::<map::CacheState>(),
            size_of::<map::Epoch>(),
            size_of::<map::FlowValue>(),
            size_of::<map::InterfaceKey>(),
            size_of::<map::InterfaceCounters>(),
            size_of::<map::FilterProgram>(),
            size_of::<map::PortClasses>(),
            size_of::<map::SkbOffsets>(),
            size_of::<map::QuicEvent>(),
            size_of::<map::QuicPlace>(),
            size_of::<map::QuicCounters>(),
            size_of::<map::QuicBackendKey>(),
            size_of::<map::LayoutProgram>(),
            size_of::<map::InterfacePlace>(),
            size_of::<map::RuleTable>(),
            size_of::<map::HeadCounters>(),
            size_of::<map::PacketHead>(),
            size_of::<map::Carried>(),
            size_of::<map::CarriedSums>(),
            size_of::<map::TapSettings>(),
            size_of::<map::TapSlot>(),
            size_of::<map::TapMark>(),
            size_of::<map::InlineCounters>(),
        ];
        assert_eq!(
            (super::ABI, sizes),
            (
                5,
                [
                    56, 128, 32, 24, 64, 12, 472, 720, 65536, 52, 104, 72, 160, 24, 1288, 16,
                    360_528, 48, 72, 496, 240, 64, 128, 16, 112
                ]
            )
        );
    }
}
