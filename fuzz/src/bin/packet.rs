//! The packet parser: no bytes make it panic, what it says holds, and the short way says the same.
//!
//! The first byte chooses the link type, the rest is the frame.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netweir_packets::read_usual;
use netweir_wire::map::{self, Direction, FlowKey, InterfaceKey};
use netweir_wire::packet::{Headers, LinkType, MAX_HEADER_BYTES};

const LINKS: [LinkType; 6] = [
    LinkType::Ethernet,
    LinkType::Ip,
    LinkType::Null,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Ppp,
];

/// TCP options, which the parser steps over whether they are in the frame or not.
const MOST_OPTION_BYTES: usize = 40;

fuzz_target!(|input: &[u8]| {
    let Some((first, frame)) = input.split_first() else {
        return;
    };
    let link = LINKS[usize::from(*first) % LINKS.len()];
    let headers = Headers::read(&frame, link);
    let frame_bytes = frame.len().min(MAX_HEADER_BYTES);
    let payload_offset = usize::from(headers.payload_offset);
    assert!(
        payload_offset <= frame_bytes + MOST_OPTION_BYTES,
        "{headers:?}"
    );

    // No byte behind the limit has a say.
    let reach = &frame[..frame_bytes];
    assert_eq!(headers, Headers::read(&reach, link));

    // The short way says the same; any two bytes make a tag.
    let tci = u16::from_le_bytes([*first, frame.last().copied().unwrap_or_default()]);
    read_usual(frame, link, tci);

    let interface = InterfaceKey {
        netns: 1,
        ifindex: 2,
        direction: Direction::Ingress as u32,
    };
    assert_eq!(FlowKey::new(interface, &headers).protocol, headers.protocol);
    let classes = map::classes(&headers, |port| port as u8);
    assert_ne!(classes[0], map::Class::None);
});
