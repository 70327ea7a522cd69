//! Names of what has no name of its own in the crates below.

use netweir_wire::{map::Direction, packet::LinkType};

/// TCP flags from the lowest bit (RFC 9293 section 3.1, RFC 9768 for AE).
const TCP_FLAGS: [&str; 9] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"];

/// `ingress` or `egress`.
pub(super) const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// What the frames of an interface begin with.
pub(super) const fn link(link: LinkType) -> &'static str {
    match link {
        LinkType::Ethernet => "ethernet",
        LinkType::Ip => "ip",
        LinkType::Null => "null",
        LinkType::LinuxSll => "linux-sll",
        LinkType::LinuxSll2 => "linux-sll2",
        LinkType::Ppp => "ppp",
    }
}

/// `SYN|ACK`; bits that have no name follow as a number, and no flag at all is an empty string.
pub(super) fn tcp_flags(bits: u16) -> String {
    let named = TCP_FLAGS.iter().enumerate();
    let mut names: Vec<_> = named
        .filter(|(bit, _)| bits >> bit & 1 != 0)
        .map(|(_, name)| (*name).to_owned())
        .collect();
    let rest = bits >> TCP_FLAGS.len() << TCP_FLAGS.len();
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    names.join("|")
}

#[cfg(test)]
mod tests {
    use super::tcp_flags;

    #[test]
    fn flags_are_named_from_the_lowest_bit() {
        assert_eq!(tcp_flags(0), "");
        assert_eq!(tcp_flags(0x12), "SYN|ACK");
        assert_eq!(tcp_flags(0x1ff), "FIN|SYN|RST|PSH|ACK|URG|ECE|CWR|AE");
        assert_eq!(tcp_flags(0xe02), "SYN|0xe00");
    }
}
