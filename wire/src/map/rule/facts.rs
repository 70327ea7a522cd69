//! What rules can ask about a flow.

use crate::map::{FlowKey, KEY_WORDS, filter};
use crate::packet::ethertype;

/// What a rule can ask about, as numbers whose bits it names: [`RuleFacts::words`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RuleFacts {
    /// Host order: the source address (2), the destination address (2), [`RuleFlow`] (2), and the
    /// ports, source above destination, 16 bits each. One more is never used.
    pub words: [u64; 8],
}

/// What rules can ask beside addresses and ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleFlow {
    /// Whether addresses are of IP.
    pub is_ip: bool,
    /// Whether they are of IPv6.
    pub is_ipv6: bool,
    /// Whether there are ports, and they could be read.
    pub has_ports: bool,
    /// IP protocol.
    pub protocol: u8,
    /// A [`crate::map::Direction`].
    pub direction: u8,
    /// VLAN identifiers, the outer one first; 0 for none.
    pub vlans: [u16; 2],
    /// Number that rules have for the interface; 0 where they name it nowhere.
    pub interface: u32,
    /// One more than the QUIC backend; 0 where none is known.
    pub backend: u32,
}

impl RuleFlow {
    /// The bits that say it is IP.
    const IP: u64 = 1 << 56;
    const IPV6: u64 = 1 << 57;
    const PORTS: u64 = 1 << 58;

    /// As two of [`RuleFacts::words`].
    #[inline(always)]
    pub const fn words(self) -> [u64; 2] {
        let is_ip = if self.is_ip { Self::IP } else { 0 };
        let is_ipv6 = if self.is_ipv6 { Self::IPV6 } else { 0 };
        let has_ports = if self.has_ports { Self::PORTS } else { 0 };
        [
            is_ip
                | is_ipv6
                | has_ports
                | (self.protocol as u64) << 48
                | (self.direction as u64) << 40
                | (self.vlans[0] as u64) << 16
                | self.vlans[1] as u64,
            (self.interface as u64) << 32 | self.backend as u64,
        ]
    }
}

impl RuleFacts {
    /// What is known of a flow with this key, the number of its interface (0 for none) and one more
    /// than its backend (0 for none) included.
    pub fn new(key: &FlowKey, interface: u32, backend: u32) -> Self {
        Self::of_words(&key.to_words(), interface, backend)
    }

    /// The same of the words that the key consists of.
    #[inline(always)]
    pub fn of_words(key: &[u64; KEY_WORDS], interface: u32, backend: u32) -> Self {
        let [_, source @ .., fifth, sixth] = *key;
        let [source, destination] = [[source[0], source[1]], [source[2], source[3]]];
        // Ports, ethertype and the outer tag; the inner tag, protocol and direction.
        let (fifth, sixth) = (u64::from_be(fifth), u64::from_be(sixth));
        let (ports, kind) = (fifth >> 32, (fifth >> 16) as u16);
        let protocol = (sixth >> 40) as u8;
        let is_ipv4 =
            kind == ethertype::IPV4 && filter::is_mapped(source) && filter::is_mapped(destination);
        let is_ipv6 = kind == ethertype::IPV6
            && !(protocol == 0 && filter::is_mac(source) && filter::is_mac(destination));
        let flow = RuleFlow {
            is_ip: is_ipv4 | is_ipv6,
            is_ipv6,
            // Port 0 is reserved (RFC 6335 section 6): both are 0 where none could be read.
            has_ports: filter::has_ports(protocol) && ports != 0,
            protocol,
            direction: (sixth >> 32) as u8,
            vlans: [fifth as u16, (sixth >> 48) as u16],
            interface,
            backend,
        };
        let [kind, place] = flow.words();
        Self {
            words: [
                u64::from_be(source[0]),
                u64::from_be(source[1]),
                u64::from_be(destination[0]),
                u64::from_be(destination[1]),
                kind,
                place,
                ports,
                0,
            ],
        }
    }
}
