//! A capture made up in memory, for those who may not capture.
//!
//! A pcap file as any other, so that it goes the whole way through reader, parser and table.

use std::time::Duration;

use super::{CLIENT, SERVER};

/// Frames in a second of the capture.
const FRAMES_PER_SECOND: u64 = 400;

/// A pcap file with nanosecond time stamps that begin at `start_ns` (Unix time).
pub(super) fn generate(start_ns: u64, duration: Duration) -> Vec<u8> {
    let mut file = Vec::new();
    // Magic of nanosecond pcap, version 2.4, two unused words, snap length, Ethernet.
    for word in [0xa1b2_3c4d_u32, 4 << 16 | 2, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    let gap_ns = 1_000_000_000 / FRAMES_PER_SECOND;
    for number in 0..duration.as_secs() * FRAMES_PER_SECOND {
        let time_ns = start_ns + number * gap_ns;
        let frame = frame(number);
        let lengths = [frame.len() as u32; 2];
        let stamp = [
            (time_ns / 1_000_000_000) as u32,
            (time_ns % 1_000_000_000) as u32,
        ];
        for word in stamp.into_iter().chain(lengths) {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// Conversations with their share of the frames: protocol, client port, server port, bytes.
const CONVERSATIONS: [(u8, u16, u16, usize); 8] = [
    (6, 40_001, 443, 1400),
    (6, 40_001, 443, 1400),
    (6, 40_001, 443, 1400),
    (6, 40_002, 80, 700),
    (17, 40_003, 443, 1200),
    (17, 40_004, 53, 80),
    (6, 40_005, 5432, 300),
    (6, 40_006, 25, 120),
];

/// A frame of one of the conversations; every fourth is the client's.
fn frame(number: u64) -> Vec<u8> {
    let (protocol, client_port, server_port, payload) =
        CONVERSATIONS[(number / 4 % CONVERSATIONS.len() as u64) as usize];
    // New client ports now and then: small flows come and go.
    let client_port = client_port + (number / 256 % 64) as u16 * 16;
    let asks = number.is_multiple_of(4);
    let payload = if asks { 40 } else { payload };
    let (source, destination) = if asks {
        (CLIENT, SERVER)
    } else {
        (SERVER, CLIENT)
    };
    let ports = if asks {
        [client_port, server_port]
    } else {
        [server_port, client_port]
    };
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let transport = transport(protocol, ports, payload);
    if number % 16 < 4 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((transport.len() as u16).to_be_bytes());
        frame.extend([protocol, 64]);
        frame.extend(source.1.octets());
        frame.extend(destination.1.octets());
    } else {
        frame.extend([0x08, 0x00, 0x45, 0]);
        frame.extend((transport.len() as u16 + 20).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        frame.extend(source.0.octets());
        frame.extend(destination.0.octets());
    }
    frame.extend(transport);
    frame
}

/// A transport header without checksum, and zeros for its payload.
fn transport(protocol: u8, ports: [u16; 2], payload: usize) -> Vec<u8> {
    /// The data offset of a header without options, and the flag ACK.
    const TCP_ACK: [u8; 2] = [0x50, 0x10];
    let mut bytes: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    if protocol == 6 {
        bytes.extend([0; 8]);
        bytes.extend(TCP_ACK);
        bytes.extend([0; 6]);
    } else {
        bytes.extend((payload as u16 + 8).to_be_bytes());
        bytes.extend([0; 2]);
    }
    bytes.resize(bytes.len() + payload, 0);
    bytes
}
