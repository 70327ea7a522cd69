//! Ring 1: where the short way of reading has an answer, it is that of the complete walk; and usual
//! frames have one.

use std::sync::LazyLock;

use netweir_packets::{
    Case, corpus,
    frame::{cut, ethernet, ipv4, ipv6, patched, tcp_with_options, udp, vlan},
    read_usual,
};
use netweir_wire::packet::{Fragment, LinkType, Problem, Usual, ethertype, protocol};
use proptest::{collection::vec, prelude::*, sample::Index};

static CORPUS: LazyLock<Vec<Case>> = LazyLock::new(corpus);

const ETHERNET_BYTES: usize = 14;
const TAG_BYTES: usize = 4;

/// Whether a frame is a usual one by what its case says: TCP or UDP right behind an IP header
/// without more, behind two tags at most.
fn is_usual(case: &Case) -> bool {
    let headers = &case.expected.headers;
    let begin = match case.link {
        LinkType::Ethernet => ETHERNET_BYTES + TAG_BYTES * usize::from(headers.tag_count),
        LinkType::Ip => 0,
        _ => return false,
    };
    let is_read = headers.problem == Problem::None
        && headers.fragment == Fragment::Whole
        && headers.tag_count <= 2
        && matches!(headers.protocol, protocol::TCP | protocol::UDP);
    is_read
        && match headers.ethertype {
            ethertype::IPV4 => case.bytes[begin] == 0x45,
            ethertype::IPV6 => case.bytes[begin + 6] == headers.protocol,
            _ => false,
        }
}

/// Usual but for a length of 0, which stands for one that the header has no room for (RFC 2675, and
/// frames that are to be segmented): they take the complete walk.
const WITHOUT_LENGTH: [&str; 2] = ["ipv4_total_0", "ipv6_payload_length_0"];

#[test]
fn the_short_way_knows_the_usual_cases_and_no_others() {
    let (mut known, mut others) = (0, Vec::new());
    for case in CORPUS.iter() {
        let usual = read_usual(&case.bytes, case.link, 0x2fff);
        if usual.is_some() != is_usual(case) {
            others.push(case.name);
        }
        known += usize::from(usual.is_some());
    }
    assert_eq!(others, WITHOUT_LENGTH);
    assert!(known > CORPUS.len() / 5, "{known} of {}", CORPUS.len());
}

#[test]
fn cases_cut_anywhere_are_read_alike() {
    for case in CORPUS.iter() {
        for length in 0..case.bytes.len().min(700) {
            read_usual(&case.bytes[..length], case.link, 1);
            read_usual(&case.bytes[..length], LinkType::Ip, 1);
        }
    }
}

/// What a usual frame is made of.
#[derive(Clone, Debug)]
struct Parts {
    is_ipv6: bool,
    is_tcp: bool,
    /// Control information, and which of the tags' ethertypes announces it.
    tags: Vec<(u16, Index)>,
    addresses: [u8; 32],
    traffic_class: u8,
    ports: (u16, u16),
    tcp_flags: u16,
    option_words: usize,
    payload: Vec<u8>,
    behind: Vec<u8>,
}

fn parts() -> impl Strategy<Value = Parts> {
    let network = (any::<bool>(), any::<[u8; 32]>(), any::<u8>());
    let transport = (
        any::<bool>(),
        any::<(u16, u16)>(),
        0..0x1000_u16,
        0..=10_usize,
    );
    let payload = (vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..20));
    let tags = vec(any::<(u16, Index)>(), 0..=2);
    (network, transport, payload, tags).prop_map(|(network, transport, payload, tags)| {
        let (is_ipv6, addresses, traffic_class) = network;
        let (is_tcp, ports, tcp_flags, option_words) = transport;
        let (payload, behind) = payload;
        Parts {
            is_ipv6,
            is_tcp,
            tags,
            addresses,
            traffic_class,
            ports,
            tcp_flags,
            option_words,
            payload,
            behind,
        }
    })
}

impl Parts {
    /// The packet from its IP header on.
    fn packet(&self) -> Vec<u8> {
        let (source, destination) = self.ports;
        let (number, segment) = if self.is_tcp {
            let options = vec![1; 4 * self.option_words];
            let header = tcp_with_options(self.ports, self.tcp_flags, &options);
            (protocol::TCP, [&header[..], &self.payload].concat())
        } else {
            (protocol::UDP, udp(source, destination, &self.payload))
        };
        let packet = if self.is_ipv6 {
            let [upper, lower] = [self.traffic_class >> 4, self.traffic_class << 4];
            let header = ipv6(number).first_bytes([0x60 | upper, lower, 0, 7]);
            patched(header.carrying(segment), 8, &self.addresses)
        } else {
            let header = ipv4(number).traffic_class(self.traffic_class);
            patched(header.carrying(segment), 12, &self.addresses[..8])
        };
        [&packet[..], &self.behind].concat()
    }

    fn frame(&self) -> Vec<u8> {
        const TAGS: [u16; 3] = [ethertype::VLAN, ethertype::SERVICE_VLAN, ethertype::QINQ];
        let mut number = if self.is_ipv6 {
            ethertype::IPV6
        } else {
            ethertype::IPV4
        };
        let mut payload = self.packet();
        for (tci, which) in self.tags.iter().rev() {
            payload = vlan(*tci, number, payload);
            number = *which.get(&TAGS);
        }
        ethernet(number, payload)
    }

    /// Fails if the short way finds anything else than what the frame was made of.
    fn check(&self, usual: &Usual) {
        let (source, destination) = self.ports;
        let ports = u32::from(source) << 16 | u32::from(destination);
        assert_eq!(u32::from_be(usual.ports), ports);
        let flags = if self.is_tcp { self.tcp_flags } else { 0 };
        assert_eq!(usual.tcp_flags, flags);
        assert_eq!(usual.traffic_class, self.traffic_class);
        assert_eq!(usual.protocol == protocol::TCP, self.is_tcp);
    }
}

/// Bytes that are changed: where, and to what.
fn changes() -> impl Strategy<Value = Vec<(Index, u8)>> {
    vec((any::<Index>(), any::<u8>()), 0..4)
}

/// A frame with some of its first bytes changed.
fn with(mut bytes: Vec<u8>, changes: &[(Index, u8)]) -> Vec<u8> {
    for (place, byte) in changes {
        let place = place.index(bytes.len().min(82));
        bytes[place] = *byte;
    }
    bytes
}

/// The same, cut as well.
fn changed(bytes: Vec<u8>, changes: &[(Index, u8)], length: Index) -> Vec<u8> {
    let length = length.index(bytes.len() + 1);
    cut(with(bytes, changes), length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn usual_frames_are_known(parts in parts(), tci in any::<u16>()) {
        let frame = parts.frame();
        let usual = read_usual(&frame, LinkType::Ethernet, tci).expect("a usual frame");
        parts.check(&usual);
        let vlans: Vec<u16> = parts.tags.iter().map(|(tci, _)| tci & 0x0fff).collect();
        let found = usual.vlans.map(u16::from_be);
        prop_assert_eq!(&found[..vlans.len()], &vlans[..]);
        let packet = parts.packet();
        let usual = read_usual(&packet, LinkType::Ip, tci).expect("a usual packet");
        parts.check(&usual);
        prop_assert_eq!(usual.vlans, [0, 0]);
    }

    #[test]
    fn changed_usual_frames_are_read_alike(
        parts in parts(),
        changes in changes(),
        length in any::<Index>(),
        tci in any::<u16>(),
    ) {
        let frame = changed(parts.frame(), &changes, length);
        read_usual(&frame, LinkType::Ethernet, tci);
        let packet = changed(parts.packet(), &changes, length);
        read_usual(&packet, LinkType::Ip, tci);
        // Without a cut, many of them stay usual.
        let frame = with(parts.frame(), &changes);
        read_usual(&frame, LinkType::Ethernet, tci);
    }

    #[test]
    fn changed_cases_are_read_alike(
        which in any::<Index>(),
        changes in changes(),
        length in any::<Index>(),
        tci in any::<u16>(),
    ) {
        let case = which.get(&CORPUS);
        if !case.bytes.is_empty() {
            let bytes = changed(case.bytes.clone(), &changes, length);
            read_usual(&bytes, LinkType::Ethernet, tci);
            read_usual(&bytes, LinkType::Ip, tci);
        }
    }

    #[test]
    fn noise_is_read_alike(bytes in vec(any::<u8>(), 0..120), tci in any::<u16>()) {
        read_usual(&bytes, LinkType::Ethernet, tci);
        read_usual(&bytes, LinkType::Ip, tci);
        for number in [ethertype::IPV4, ethertype::IPV6, ethertype::VLAN] {
            read_usual(&ethernet(number, &bytes), LinkType::Ethernet, tci);
        }
    }
}
