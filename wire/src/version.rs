//! The number of the kernel border.
//!
//! Both sides carry it: the object in its read-only section, user space in its code. Whoever
//! changes a layout in [`crate::map`] changes the number too; the test here fails otherwise.

/// Number of the layouts in [`crate::map`] as they are now.
pub const ABI: u32 = 1;

#[cfg(test)]
mod tests {
    use crate::map;

    /// Every layout as it was when [`super::ABI`] got its present value.
    #[test]
    fn a_changed_layout_changes_the_number() {
        let sizes = [
            size_of::<map::FlowKey>(),
            size_of::<map::FlowCounters>(),
            size_of::<map::InterfaceKey>(),
            size_of::<map::InterfaceCounters>(),
            size_of::<map::FilterProgram>(),
            size_of::<map::PortClasses>(),
            size_of::<map::SkbOffsets>(),
        ];
        assert_eq!((super::ABI, sizes), (1, [52, 56, 12, 400, 1424, 65536, 52]));
    }
}
