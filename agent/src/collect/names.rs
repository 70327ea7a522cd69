//! What an interface is called, as programs know it.

use netweir_wire::map::InterfacePlace;

/// The names of an interface, as programs know them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceNames {
    /// Those that the filter asks for, as bits.
    pub filter: u32,
    /// For each table of rules, the number that it has for the name; 0 where it asks for it nowhere.
    pub rules: [u32; 2],
}

impl InterfaceNames {
    pub(super) const fn place(self, number: u32) -> InterfacePlace {
        InterfacePlace {
            number,
            names: self.filter,
            rules: self.rules,
        }
    }
}
