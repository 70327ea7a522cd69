//! pcap in both byte orders, all magics, with FCS, and with odd lengths.

use crate::build::{ORDERS, Order, pcap_header, pcap_record, read_error, read_whole};

#[test]
fn reads_every_magic_in_both_orders() {
    for order in ORDERS {
        for (magic, ns) in [(0xa1b2_c3d4, 10_000_007_000), (0xa1b2_3c4d, 10_000_000_007)] {
            let header = pcap_header(order, magic, 4, 113);
            let file = [
                header,
                pcap_record(order, 90, b"frame"),
                pcap_record(order, 3, b"two"),
            ];
            let frames = read_whole(&file.concat());
            assert_eq!(frames.len(), 2, "{order:?} {magic:x}");
            assert_eq!(frames[0].bytes, b"frame");
            assert_eq!(frames[0].wire_bytes, 90);
            assert_eq!(frames[0].timestamp_ns, ns);
            assert_eq!(frames[0].link_type, 113);
            assert_eq!((frames[0].interface, frames[0].direction), (0, None));
            assert_eq!(frames[1].bytes, b"two");
        }
    }
}

#[test]
fn reads_the_longer_record_headers_of_the_modified_format() {
    for order in ORDERS {
        let record = [
            order.words(&[10, 7, 4, 9, 2, 0x0800_0400]),
            b"abcd".to_vec(),
        ]
        .concat();
        let file = [
            pcap_header(order, 0xa1b2_cd34, 4, 1),
            record.clone(),
            record,
        ]
        .concat();
        let frames = read_whole(&file);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1].bytes, b"abcd");
        assert_eq!(
            (frames[1].wire_bytes, frames[1].timestamp_ns),
            (9, 10_000_007_000)
        );
    }
}

#[test]
fn strips_the_fcs_that_the_header_announces() {
    let order = Order::Little;
    let with_fcs = |link, original, bytes| {
        let header = pcap_header(order, 0xa1b2_c3d4, 4, link);
        let frame = read_whole(&[header, pcap_record(order, original, bytes)].concat()).remove(0);
        assert_eq!(frame.link_type, 1);
        (frame.bytes.len(), frame.wire_bytes)
    };
    assert_eq!(with_fcs(0x2400_0001, 64, &[0; 64]), (60, 60));
    assert_eq!(
        with_fcs(0x2400_0001, 64, &[0; 62]),
        (60, 60),
        "half of the FCS captured"
    );
    assert_eq!(
        with_fcs(0x2400_0001, 64, &[0; 50]),
        (50, 60),
        "nothing of it captured"
    );
    assert_eq!(
        with_fcs(0x2400_0001, 3, &[0; 3]),
        (0, 0),
        "shorter than an FCS"
    );
    assert_eq!(
        with_fcs(0x2000_0001, 64, &[0; 64]),
        (64, 64),
        "a length without the P bit"
    );
    assert_eq!(
        with_fcs(0x03ff_0001, 64, &[0; 64]),
        (64, 64),
        "reserved bits"
    );
}

#[test]
fn takes_the_captured_length_where_it_exceeds_the_original() {
    let order = Order::Big;
    let file = [
        pcap_header(order, 0xa1b2_c3d4, 4, 1),
        pcap_record(order, 2, b"longer"),
    ]
    .concat();
    let frames = read_whole(&file);
    assert_eq!(
        (frames[0].bytes.as_slice(), frames[0].wire_bytes),
        (&b"longer"[..], 6)
    );
}

#[test]
fn reads_the_lengths_of_old_versions_in_their_order() {
    let order = Order::Little;
    for (minor, lengths) in [(2, [50, 4]), (3, [50, 4]), (3, [4, 50]), (4, [4, 50])] {
        let record = [
            order.words(&[1, 0]),
            order.words(&lengths),
            b"abcd".to_vec(),
        ]
        .concat();
        let file = [pcap_header(order, 0xa1b2_c3d4, minor, 1), record].concat();
        let frames = read_whole(&file);
        assert_eq!(
            (frames[0].bytes.len(), frames[0].wire_bytes),
            (4, 50),
            "2.{minor}"
        );
    }
}

#[test]
fn refuses_other_versions_and_endless_records() {
    let order = Order::Little;
    let mut header = pcap_header(order, 0xa1b2_c3d4, 4, 1);
    let file = [header.clone(), order.words(&[0, 0, 16 << 20 | 1, 0])].concat();
    assert_eq!(
        read_error(&file),
        "packet record at offset 24 is too long: 16777217 bytes, at most 16777216 are read"
    );
    header[4] = 3;
    assert_eq!(
        read_error(&header),
        "pcap file header at offset 0 has version 3.4: expected major version 2"
    );
}

#[test]
fn an_empty_capture_has_no_frames() {
    assert_eq!(read_whole(&pcap_header(Order::Big, 0xa1b2_3c4d, 4, 1)), []);
}
