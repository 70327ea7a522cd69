//! What the programs are told before they are attached.

use netweir_wire::{
    map::{FilterProgram, LayoutProgram, PortClasses},
    name,
};

use super::{Collector, map_error};
use crate::{Error, attach::Layout};

impl Collector {
    /// Says which ports belong to which application.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn set_ports(&mut self, ports: &PortClasses) -> Result<(), Error> {
        let set = self.ports.set(0, Layout(*ports), 0);
        set.map_err(map_error(name::PORTS))
    }

    /// Says which flows are counted, before programs are attached.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn set_filter(&mut self, filter: &FilterProgram) -> Result<(), Error> {
        let set = self.filter.set(0, Layout(*filter), 0);
        set.map_err(map_error(name::FILTER))
    }

    /// Says how QUIC connection IDs are read, before programs are attached.
    ///
    /// # Errors
    /// The map cannot be written.
    pub fn set_layouts(&mut self, layouts: &LayoutProgram) -> Result<(), Error> {
        let set = self.layouts.set(0, Layout(*layouts), 0);
        set.map_err(map_error(name::LAYOUT))
    }
}
