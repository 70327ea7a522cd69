//! Ring 1: what holds for any bytes.

use std::sync::LazyLock;

use netweir_packets::{
    Case, corpus,
    frame::{ethernet_ipv4, ethernet_ipv6, ipv4, ipv6},
};
use netweir_wire::packet::{Headers, LinkType, MAX_HEADER_BYTES, Packet, Truncated, protocol};
use proptest::{collection::vec, prelude::*, sample::Index};

/// The options of TCP are not read, and may lie behind the limit.
const MOST_OPTION_BYTES: u16 = 40;

static CORPUS: LazyLock<Vec<Case>> = LazyLock::new(corpus);

const LINKS: [LinkType; 6] = [
    LinkType::Ethernet,
    LinkType::Ip,
    LinkType::Null,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Ppp,
];

/// A packet that must not be read past the limit.
struct Watched<'a>(&'a [u8]);

impl Packet for Watched<'_> {
    fn bytes<const N: usize>(&self, offset: usize) -> Result<[u8; N], Truncated> {
        assert!(offset + N <= MAX_HEADER_BYTES, "{N} bytes read at {offset}");
        self.0.bytes(offset)
    }
}

/// Reads, and checks what holds always.
fn read(bytes: &[u8], link: LinkType) -> Headers {
    let headers = Headers::read(&Watched(bytes), link);
    assert!(headers.payload_offset <= MAX_HEADER_BYTES as u16 + MOST_OPTION_BYTES);
    if !headers.is_ip {
        let nothing = Headers::default();
        assert_eq!(headers.source, nothing.source);
        assert_eq!(headers.destination, nothing.destination);
        assert_eq!((headers.protocol, headers.traffic_class), (0, 0));
        assert_eq!((headers.source_port, headers.destination_port), (0, 0));
    }
    headers
}

/// Any byte, but oftener one that leads on to another header.
fn telling_byte() -> impl Strategy<Value = u8> {
    let known = vec![
        protocol::HOP_BY_HOP,
        protocol::ICMP,
        protocol::TCP,
        protocol::UDP,
        protocol::ROUTING,
        protocol::FRAGMENT,
        protocol::AH,
        protocol::ICMPV6,
        protocol::NO_NEXT_HEADER,
        protocol::DESTINATION,
        protocol::MOBILITY,
        protocol::SCTP,
    ];
    prop_oneof![any::<u8>(), 0..4_u8, proptest::sample::select(known)]
}

#[test]
fn no_case_is_read_past_the_limit() {
    for case in CORPUS.iter() {
        let watched = read(&case.bytes, case.link);
        assert_eq!(watched, case.expected.headers, "{}", case.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(telling_byte(), 0..700)) {
        for link in LINKS {
            read(&bytes, link);
        }
    }

    #[test]
    fn changed_cases_are_read_without_panic(
        which in any::<Index>(),
        changes in vec((any::<Index>(), telling_byte()), 1..8),
        length in any::<Index>(),
    ) {
        let mut bytes = which.get(&CORPUS).bytes.clone();
        for (place, byte) in changes {
            if !bytes.is_empty() {
                let place = place.index(bytes.len().min(MAX_HEADER_BYTES));
                bytes[place] = byte;
            }
        }
        let length = length.index(bytes.len() + 1);
        for link in LINKS {
            read(&bytes, link);
            read(&bytes[..length], link);
        }
    }

    #[test]
    fn bytes_behind_an_ipv4_packet_change_nothing(
        protocol in telling_byte(),
        words in 0..=10_usize,
        field in prop_oneof![Just(0x4000), Just(0x2000), any::<u16>()],
        payload in vec(telling_byte(), 0..60),
        garbage in vec(any::<u8>(), 1..60),
    ) {
        let header = ipv4(protocol).options(&vec![1; 4 * words]).fragment(field);
        let frame = ethernet_ipv4(header.carrying(payload));
        let followed = [&frame[..], &garbage].concat();
        let alone = read(&frame, LinkType::Ethernet);
        prop_assert_eq!(alone, read(&followed, LinkType::Ethernet));
    }

    #[test]
    fn bytes_behind_an_ipv6_packet_change_nothing(
        next in telling_byte(),
        payload in vec(telling_byte(), 1..600),
        garbage in vec(any::<u8>(), 1..600),
    ) {
        let frame = ethernet_ipv6(ipv6(next).carrying(payload));
        let followed = [&frame[..], &garbage].concat();
        let alone = read(&frame, LinkType::Ethernet);
        prop_assert_eq!(alone, read(&followed, LinkType::Ethernet));
    }
}
