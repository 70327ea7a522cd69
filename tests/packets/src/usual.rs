//! The short way of reading a packet against the complete walk.

use netweir_wire::{
    map::{Direction, FlowKey, InterfaceKey, KEY_WORDS},
    packet::{Fragment, Headers, LinkType, Problem, Usual},
};

/// Numbers of which no byte is the same.
const INTERFACE: InterfaceKey = InterfaceKey {
    netns: 0xf123_4567,
    ifindex: 0x89ab_cdef,
    direction: Direction::Egress as u32,
};

/// Reads a frame the short way, and compares the answer, if there is one, with that of the complete
/// walk; once more with `tci` as a tag that the kernel had taken out. Returns the answer.
///
/// # Panics
/// The two ways differ.
pub fn read_usual(frame: &[u8], link: LinkType, tci: u16) -> Option<Usual> {
    let usual = match link {
        LinkType::Ethernet => Usual::read(&frame)?,
        LinkType::Ip => Usual::read_ip(&frame)?,
        _ => return None,
    };
    let headers = Headers::read(&frame, link);
    assert_agree(&usual, &headers);
    let (mut tagged, mut tagged_headers) = (usual, headers);
    tagged.push_outer_tag(tci);
    tagged_headers.push_outer_tag(tci);
    assert_agree(&tagged, &tagged_headers);
    Some(usual)
}

fn assert_agree(usual: &Usual, headers: &Headers) {
    assert_eq!(headers.problem, Problem::None, "{usual:?} {headers:?}");
    assert!(headers.is_ip, "{usual:?} {headers:?}");
    let [a, b] = headers.source_port.to_be_bytes();
    let [c, d] = headers.destination_port.to_be_bytes();
    let expected = Usual {
        source: words(headers.source),
        destination: words(headers.destination),
        ports: u32::from_ne_bytes([a, b, c, d]),
        ethertype: headers.ethertype.to_be(),
        vlans: headers.tags.map(|tag| tag.vlan().to_be()),
        protocol: headers.protocol,
        traffic_class: headers.traffic_class,
        tcp_flags: headers.tcp_flags,
        payload_offset: headers.payload_offset,
    };
    assert_eq!(*usual, expected);
    assert_eq!(headers.fragment, Fragment::Whole, "{usual:?}");
    let key = FlowKey::new(INTERFACE, headers);
    assert_eq!(FlowKey::words(INTERFACE, usual), memory(&key), "{key:?}");
}

/// The two words that an address is in memory.
fn words(address: [u8; 16]) -> [u64; 2] {
    let (words, _) = address.as_chunks();
    [0, 1].map(|place| u64::from_ne_bytes(words[place]))
}

/// The words that a key is in memory, put together field by field.
fn memory(key: &FlowKey) -> [u64; KEY_WORDS] {
    let bytes = [
        &key.netns.to_ne_bytes()[..],
        &key.ifindex.to_ne_bytes(),
        &key.source,
        &key.destination,
        &key.source_port,
        &key.destination_port,
        &key.ethertype,
        &key.outer_vlan,
        &key.inner_vlan,
        &[key.protocol, key.direction],
        &key.reserved,
    ]
    .concat();
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty() && words.len() == KEY_WORDS, "{key:?}");
    std::array::from_fn(|place| u64::from_ne_bytes(words[place]))
}
