//! The UDP ports on which QUIC is looked for.

use netweir_wire::{
    map::FlowKey,
    packet::{ethertype, protocol},
};

const WORDS: usize = 1 << 10;

/// A set of UDP ports.
pub(super) struct Ports(Box<[u64; WORDS]>);

impl Ports {
    /// These ports, or all of them. Port 0 is none: it stands where no port could be read.
    pub(super) fn new(any: bool, ports: &[u16]) -> Self {
        let mut words = Box::new([if any { u64::MAX } else { 0 }; WORDS]);
        for &port in ports {
            words[usize::from(port) / 64] |= 1 << (port % 64);
        }
        words[0] &= !1;
        Self(words)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Whether a flow may be QUIC: UDP with such a port at either end.
    pub(super) fn fit(&self, key: &FlowKey) -> bool {
        let is_ip = matches!(
            u16::from_be_bytes(key.ethertype),
            ethertype::IPV4 | ethertype::IPV6
        );
        is_ip
            && key.protocol == protocol::UDP
            && (self.has(key.source_port) || self.has(key.destination_port))
    }

    fn has(&self, port: [u8; 2]) -> bool {
        let port = u16::from_be_bytes(port);
        self.0[usize::from(port) / 64] >> (port % 64) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{FlowKey, Ports, ethertype, protocol};

    fn udp(source: u16, destination: u16) -> FlowKey {
        FlowKey {
            source_port: source.to_be_bytes(),
            destination_port: destination.to_be_bytes(),
            ethertype: ethertype::IPV4.to_be_bytes(),
            protocol: protocol::UDP,
            ..FlowKey::default()
        }
    }

    #[test]
    fn either_port_will_do() {
        let ports = Ports::new(false, &[443, 65_535]);
        for (source, destination, expected) in [
            (443, 50_000, true),
            (50_000, 443, true),
            (1, 65_535, true),
            (442, 444, false),
            (0, 0, false),
        ] {
            assert_eq!(ports.fit(&udp(source, destination)), expected);
        }
        let tcp = FlowKey {
            protocol: protocol::TCP,
            ..udp(1, 443)
        };
        assert!(!ports.fit(&tcp));
        let arp = FlowKey {
            ethertype: [8, 6],
            ..udp(1, 443)
        };
        assert!(!ports.fit(&arp));
    }

    #[test]
    fn all_of_them_are_all_but_none() {
        let ports = Ports::new(true, &[0]);
        assert!(ports.fit(&udp(1, 2)));
        assert!(!ports.fit(&udp(0, 0)));
        assert!(Ports::new(false, &[0]).is_empty());
    }
}
