//! Transport headers.

use netweir_wire::packet::protocol;

use super::checksum;

/// TCP: no more data from the sender.
pub const FIN: u16 = 0x001;
/// TCP: synchronize sequence numbers.
pub const SYN: u16 = 0x002;
/// TCP: push.
pub const PSH: u16 = 0x008;
/// TCP: the acknowledgement is valid.
pub const ACK: u16 = 0x010;

/// A TCP header without options; `flags` are the lower 12 bits of bytes 12 and 13.
pub fn tcp(source: u16, destination: u16, flags: u16) -> Vec<u8> {
    [
        &source.to_be_bytes()[..],
        &destination.to_be_bytes(),
        // Sequence number and acknowledgement.
        &[0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88],
        &(0x5000 | flags).to_be_bytes(),
        // Window, checksum, urgent pointer.
        &[0xfa, 0xf0, 0, 0, 0, 0],
    ]
    .concat()
}

/// A TCP header with options, whose length is a multiple of four.
pub fn tcp_with_options(ports: (u16, u16), flags: u16, options: &[u8]) -> Vec<u8> {
    let mut header = tcp(ports.0, ports.1, flags);
    header[12] += (options.len() as u8 / 4) << 4;
    [&header[..], options].concat()
}

/// A UDP datagram.
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    [
        &source.to_be_bytes()[..],
        &destination.to_be_bytes(),
        &length.to_be_bytes(),
        &[0, 0],
        payload,
    ]
    .concat()
}

/// A UDP-Lite datagram whose checksum covers its header alone (RFC 3828).
pub fn udp_lite(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    super::patched(udp(source, destination, payload), 4, &[0, 8])
}

/// An SCTP packet with one INIT chunk (RFC 9260).
pub fn sctp(source: u16, destination: u16) -> Vec<u8> {
    [
        &source.to_be_bytes()[..],
        &destination.to_be_bytes(),
        // Verification tag 0, checksum (left out), INIT of 20 bytes.
        &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20],
        // Initiate tag, window, streams out and in, first sequence number.
        &[0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 10, 0, 10, 0, 0, 0, 1],
    ]
    .concat()
}

/// A DCCP request (RFC 4340) with the long sequence number: 16 bytes, then a service code.
pub fn dccp(source: u16, destination: u16) -> Vec<u8> {
    [
        &source.to_be_bytes()[..],
        &destination.to_be_bytes(),
        // Data offset 5, coverage 0, checksum (left out), request with X, sequence number.
        &[5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1],
        &[0, 0, 0, 42],
    ]
    .concat()
}

/// An ICMP or ICMPv6 message: type, code, checksum, then `rest`.
pub fn icmp(kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0], rest].concat()
}

/// Fills in the checksum of a transport header that is there as a whole.
pub(super) fn seal(addresses: &[u8], number: u8, payload: &mut [u8]) {
    let place = match number {
        protocol::TCP => 16,
        protocol::UDP => 6,
        protocol::ICMP | protocol::ICMPV6 => 2,
        _ => return,
    };
    if payload.len() < place + 2 {
        return;
    }
    let length = (payload.len() as u32).to_be_bytes();
    let pseudo = [addresses, &length, &[0, 0, 0, number]].concat();
    let sum = match number {
        protocol::ICMP => checksum(&[payload]),
        _ => checksum(&[&pseudo, payload]),
    };
    payload[place..place + 2].copy_from_slice(&sum);
}
