//! Frames of capture files as the tally takes them.

use netweir_capture::Direction as Captured;
use netweir_flow::Frame;
use netweir_wire::{map::Direction, packet::LinkType};

/// The frame for the tally, or the number of its link type if that cannot be read.
pub(crate) fn from_capture(frame: netweir_capture::Frame<'_>) -> Result<Frame<'_>, u16> {
    Ok(Frame {
        interface: frame.interface,
        link: LinkType::from_capture(frame.link_type).ok_or(frame.link_type)?,
        direction: match frame.direction {
            Some(Captured::Outbound) => Direction::Egress,
            _ => Direction::Ingress,
        },
        timestamp_ns: frame.timestamp_ns,
        wire_bytes: frame.wire_bytes,
        bytes: frame.bytes,
    })
}

/// The `LINKTYPE_` value of frames that begin so.
pub(crate) const fn link_type(link: LinkType) -> u16 {
    match link {
        LinkType::Ethernet => 1,
        LinkType::Ip => 101,
        LinkType::Null => 0,
        LinkType::LinuxSll => 113,
        LinkType::LinuxSll2 => 276,
        LinkType::Ppp => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for link in [
            LinkType::Ethernet,
            LinkType::Ip,
            LinkType::Null,
            LinkType::LinuxSll,
            LinkType::LinuxSll2,
            LinkType::Ppp,
        ] {
            assert_eq!(LinkType::from_capture(link_type(link)), Some(link));
        }
    }
}
