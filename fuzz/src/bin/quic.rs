//! QUIC headers: no datagram makes the walk over its packets panic, the packets lie one behind the
//! other, and where the datagram lies changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netweir_flow::quic::verify_retry;
use netweir_wire::packet::quic::{Header, Long, LongView, MAX_CID_BYTES, Packets, Span, View};

/// Where the datagram is put for the second reading.
const OFFSET: usize = 42;

fuzz_target!(|datagram: &[u8]| {
    let mut offset = 0;
    for packet in Packets::new(datagram) {
        let Ok(packet) = packet else {
            break;
        };
        let bytes = packet.bytes();
        assert!(!bytes.is_empty());
        assert_eq!(bytes, &datagram[offset..offset + bytes.len()]);
        offset += bytes.len();
        if let View::Long(view) = packet {
            check(&view);
        }
    }
    assert!(offset <= datagram.len());
    check_moved(datagram);
});

fn check(view: &LongView<'_>) {
    let LongView {
        bytes,
        header,
        body: _,
    } = *view;
    assert!(header.dcid.end() <= header.scid.offset);
    assert!(header.end() <= bytes.len());
    if header.version.is_known() {
        assert!(view.dcid().len().max(view.scid().len()) <= MAX_CID_BYTES);
    }
    assert!(view.token().len() < bytes.len());
    assert!(view.packet_number_offset().unwrap_or_default() <= bytes.len());
    assert!(view.versions().count() <= bytes.len() / 4);
    assert!(!header.version.to_string().is_empty());
    verify_retry(view, view.dcid());
}

fn check_moved(datagram: &[u8]) {
    let moved = [&[0xff; OFFSET], datagram].concat();
    let there = Header::read(&&moved[..], OFFSET);
    let here = Header::read(&datagram, 0).map(|header| match header {
        Header::Long(long) => Header::Long(Long {
            dcid: behind(long.dcid),
            scid: behind(long.scid),
            ..long
        }),
        Header::Short(mut short) => {
            short.dcid_offset += OFFSET;
            Header::Short(short)
        }
    });
    assert_eq!(here, there);
}

fn behind(span: Span) -> Span {
    Span {
        offset: span.offset + OFFSET,
        ..span
    }
}
