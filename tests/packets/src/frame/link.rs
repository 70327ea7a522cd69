//! Link headers and VLAN tags.

use netweir_wire::packet::ethertype;

/// Source of [`ethernet`] frames: locally administered, unicast.
pub const SOURCE_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// Destination of [`ethernet`] frames: locally administered, unicast.
pub const DESTINATION_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];

/// Ethernet II between the two MACs of the corpus.
pub fn ethernet(ethertype: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    ethernet_to(DESTINATION_MAC, ethertype, payload)
}

/// Ethernet II to another destination.
pub fn ethernet_to(destination: [u8; 6], ethertype: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    [
        &destination[..],
        &SOURCE_MAC,
        &ethertype.to_be_bytes(),
        payload.as_ref(),
    ]
    .concat()
}

/// Ethernet II that announces IPv4.
pub fn ethernet_ipv4(packet: impl AsRef<[u8]>) -> Vec<u8> {
    ethernet(ethertype::IPV4, packet)
}

/// Ethernet II that announces IPv6.
pub fn ethernet_ipv6(packet: impl AsRef<[u8]>) -> Vec<u8> {
    ethernet(ethertype::IPV6, packet)
}

/// IEEE 802.3: the length of the payload in the place of the ethertype.
pub fn length_frame(payload: &[u8]) -> Vec<u8> {
    ethernet(payload.len() as u16, payload)
}

/// The part of a VLAN tag behind its own ethertype: control information, then the next ethertype.
pub fn vlan(tci: u16, ethertype: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    [
        &tci.to_be_bytes()[..],
        &ethertype.to_be_bytes(),
        payload.as_ref(),
    ]
    .concat()
}

/// Zeros behind a frame up to the 60 bytes that Ethernet asks for at least.
pub fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(60), 0);
    frame
}

/// Four bytes of address family as they stand in the capture.
pub fn null(family: [u8; 4], payload: impl AsRef<[u8]>) -> Vec<u8> {
    [&family[..], payload.as_ref()].concat()
}

/// The cooked header of Linux, version 1: sent to this host by an Ethernet device.
pub fn linux_sll(ethertype: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    [
        // Packet type, ARPHRD_ETHER, length of the address, the address in eight bytes.
        &[0, 0, 0, 1, 0, 6][..],
        &SOURCE_MAC,
        &[0, 0],
        &ethertype.to_be_bytes(),
        payload.as_ref(),
    ]
    .concat()
}

/// The cooked header of Linux, version 2: sent to this host by the Ethernet device of index 2.
pub fn linux_sll2(ethertype: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    [
        &ethertype.to_be_bytes()[..],
        // Reserved, interface index, ARPHRD_ETHER, packet type, length of the address.
        &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6],
        &SOURCE_MAC,
        &[0, 0],
        payload.as_ref(),
    ]
    .concat()
}
