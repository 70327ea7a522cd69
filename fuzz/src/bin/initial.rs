//! What is in an Initial, from its frames to the fingerprint: no payload makes the readers panic,
//! limits hold, and what was sealed opens again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netweir_flow::quic::{
    CryptoLimits, CryptoStream, Frame, Frames, Hello, InitialKeys, Progress, Sender, ja4,
};
use netweir_packets::quic::client_initial;
use netweir_wire::packet::quic::{MAX_CID_BYTES, Version, View};

/// Small, so that they are reached.
const LIMITS: CryptoLimits = CryptoLimits {
    bytes: 1024,
    pieces: 4,
};
/// What the builder has room for in a length of two bytes.
const MAX_PAYLOAD_BYTES: usize = 16_000;

fuzz_target!(|payload: &[u8]| {
    let mut stream = CryptoStream::new(LIMITS);
    let mut came = 0;
    for frame in Frames::new(payload) {
        if let Ok(Frame::Crypto { offset, bytes }) = frame {
            stream.insert(offset, bytes).ok();
            came += bytes.len();
        }
    }
    assert!(stream.bytes() <= came.min(LIMITS.bytes));
    read_hello(stream.prefix());
    // Without the frames' lengths in its way.
    read_hello(payload);
    open(payload);
    seal_and_open(payload);
});

fn read_hello(handshake: &[u8]) {
    match Hello::read(handshake) {
        Ok(Progress::Complete(Hello::Client(hello))) => {
            assert!(ja4(&hello).is_ascii());
            if let Some(parameters) = hello.transport_parameters {
                parameters.version_information();
                for parameter in &parameters.0 {
                    assert!(!parameter.id.to_string().is_empty());
                    parameters.integer(parameter.id);
                }
            }
        }
        Ok(Progress::NeedsMore { bytes }) => assert!(bytes > handshake.len()),
        Ok(Progress::Complete(Hello::Server(_))) | Err(_) => {}
    }
}

/// Bytes that nobody sealed.
fn open(packet: &[u8]) {
    if let Ok(View::Long(view)) = View::read(packet)
        && let Some(keys) = InitialKeys::new(view.header.version, view.dcid())
    {
        keys.open(Sender::Client, &view, u64::from(packet[0])).ok();
    }
}

fn seal_and_open(payload: &[u8]) {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return;
    }
    let versions = [Version::V1, Version::V2, Version::draft(29)];
    let version = versions[payload.len() % versions.len()];
    let dcid = &payload[..payload.len().min(MAX_CID_BYTES)];
    let number = u64::from(payload.first().copied().unwrap_or_default());
    let packet = client_initial(version, dcid, &[])
        .packet_number(number, payload.len() % 4 + 1)
        .carrying(payload);
    let Ok(View::Long(view)) = View::read(&packet) else {
        panic!("{packet:02x?}");
    };
    let opened = InitialKeys::new(version, dcid)
        .and_then(|keys| keys.open(Sender::Client, &view, number).ok())
        .expect("it was sealed with these keys");
    assert_eq!(opened.packet_number, number);
    assert!(opened.payload.starts_with(payload));
}
