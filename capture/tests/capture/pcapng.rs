//! pcapng: sections, interfaces and their options, the packet blocks, and blocks that are no such.

use netweir_capture::Direction;

use crate::build::{
    ORDERS, Order, Packet, block, enhanced, interface, option, pad, read_error, read_whole, section,
};

#[test]
fn reads_enhanced_packets_in_both_orders() {
    for order in ORDERS {
        let flags = option(order, 2, &order.u32(1));
        let packet = Packet {
            original: 70,
            bytes: b"frame",
            options: &flags,
        };
        let file = [
            section(order),
            interface(order, 1, 0, &[]),
            enhanced(order, 0, 1 << 33, &packet),
        ];
        let frames = read_whole(&file.concat());
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].bytes, b"frame");
        assert_eq!((frames[0].wire_bytes, frames[0].link_type), (70, 1));
        assert_eq!(frames[0].timestamp_ns, (1 << 33) * 1_000);
        assert_eq!(frames[0].direction, Some(Direction::Inbound));
    }
}

#[test]
fn numbers_interfaces_across_sections() {
    let (big, little) = (Order::Big, Order::Little);
    let packet = Packet::whole(b"x");
    let file = [
        section(big),
        interface(big, 1, 0, &[]),
        interface(big, 101, 0, &[]),
        enhanced(big, 1, 0, &packet),
        section(little),
        interface(little, 113, 0, &[]),
        enhanced(little, 0, 0, &packet),
    ];
    let frames = read_whole(&file.concat());
    let found: Vec<_> = frames
        .iter()
        .map(|frame| (frame.interface, frame.link_type))
        .collect();
    assert_eq!(found, [(1, 101), (2, 113)]);
}

#[test]
fn converts_every_resolution_and_offset() {
    let order = Order::Little;
    let timestamp_ns = |resolution: u8, offset_seconds: i64, units| {
        let options = [
            option(order, 9, &[resolution]),
            option(order, 14, &order.u64(offset_seconds as u64)),
            option(order, 0, &[]),
        ];
        let file = [
            section(order),
            interface(order, 1, 0, &options.concat()),
            enhanced(order, 0, units, &Packet::whole(b"x")),
        ];
        read_whole(&file.concat())[0].timestamp_ns
    };
    assert_eq!(timestamp_ns(0, 0, 3), 3_000_000_000);
    assert_eq!(
        timestamp_ns(3, 0, 1_700_000_000_123),
        1_700_000_000_123_000_000
    );
    assert_eq!(
        timestamp_ns(9, 0, 1_700_000_000_000_000_001),
        1_700_000_000_000_000_001
    );
    assert_eq!(timestamp_ns(12, 0, 1_999), 1);
    assert_eq!(timestamp_ns(127, 0, u64::MAX), 0);
    assert_eq!(timestamp_ns(0x80 | 10, 0, 1_024 + 512), 1_500_000_000);
    assert_eq!(timestamp_ns(0xff, 0, u64::MAX), 0);
    assert_eq!(timestamp_ns(6, 100, 1), 100_000_001_000);
    assert_eq!(timestamp_ns(6, -1, 2_000_000), 1_000_000_000);
    assert_eq!(timestamp_ns(6, i64::MIN, 1), 0);
    assert_eq!(timestamp_ns(0, i64::MAX, u64::MAX), u64::MAX);
}

#[test]
fn strips_the_fcs_of_the_interface_or_the_packet() {
    let order = Order::Big;
    let wire_bytes = |fcs_length: u8, flags: u32| {
        let flags = option(order, 2, &order.u32(flags));
        let file = [
            section(order),
            interface(order, 1, 0, &option(order, 13, &[fcs_length])),
            enhanced(
                order,
                0,
                0,
                &Packet {
                    options: &flags,
                    ..Packet::whole(&[0; 64])
                },
            ),
        ];
        let frame = read_whole(&file.concat()).remove(0);
        assert_eq!(frame.bytes.len(), frame.wire_bytes as usize);
        frame.wire_bytes
    };
    assert_eq!(wire_bytes(0, 0), 64);
    assert_eq!(wire_bytes(32, 0), 60, "in bits");
    assert_eq!(wire_bytes(4, 0), 60, "in bytes, as some write it");
    assert_eq!(wire_bytes(32, 2 << 5), 62, "the packet knows better");
}

#[test]
fn reads_simple_packets_up_to_the_snapshot_length() {
    let order = Order::Little;
    let simple = |snapshot, original, bytes: &[u8]| {
        let packet = block(order, 3, &[&order.u32(original)[..], &pad(bytes)].concat());
        let file = [section(order), interface(order, 1, snapshot, &[]), packet].concat();
        let frame = read_whole(&file).remove(0);
        assert_eq!((frame.timestamp_ns, frame.direction), (0, None));
        (frame.bytes.len(), frame.wire_bytes)
    };
    assert_eq!(simple(0, 5, b"frame"), (5, 5));
    assert_eq!(simple(3, 90, b"fra"), (3, 90));
    assert_eq!(simple(96, 90, b"cut short"), (12, 90));
}

#[test]
fn reads_the_obsolete_packet_block() {
    let order = Order::Big;
    let head = [
        &order.u16(1)[..],
        &order.u16(9),
        &order.words(&[0, 8, 3, 40]),
    ]
    .concat();
    let body = [&head[..], &pad(b"old"), &option(order, 2, &order.u32(2))].concat();
    let interfaces = [interface(order, 1, 0, &[]), interface(order, 6, 0, &[])].concat();
    let frames = read_whole(&[section(order), interfaces, block(order, 2, &body)].concat());
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].bytes, b"old");
    assert_eq!(
        (
            frames[0].interface,
            frames[0].link_type,
            frames[0].wire_bytes
        ),
        (1, 6, 40)
    );
    assert_eq!(frames[0].timestamp_ns, 8_000);
    assert_eq!(frames[0].direction, Some(Direction::Outbound));
}

#[test]
fn passes_over_other_blocks_and_damaged_options() {
    let order = Order::Little;
    let overrun = [order.u16(2), order.u16(400)].concat();
    let file = [
        section(order),
        block(order, 0x0bad, &[]),
        interface(order, 1, 0, &overrun),
        block(order, 5, &[7; 40]),
        enhanced(
            order,
            0,
            0,
            &Packet {
                options: &overrun,
                ..Packet::whole(b"frame")
            },
        ),
        block(order, 4, &[7; 8]),
        enhanced(
            order,
            0,
            0,
            &Packet {
                original: 1,
                ..Packet::whole(b"frame")
            },
        ),
    ];
    let frames = read_whole(&file.concat());
    assert_eq!(frames.len(), 2);
    assert_eq!(
        (frames[1].bytes.as_slice(), frames[1].wire_bytes),
        (&b"frame"[..], 5)
    );
}

#[test]
fn names_what_is_malformed() {
    let order = Order::Big;
    let start = [section(order), interface(order, 1, 0, &[])].concat();
    let after_start = |bytes: &[u8]| read_error(&[&start, bytes].concat());
    let packet = enhanced(order, 0, 0, &Packet::whole(b"four"));

    let mut trailer = packet.clone();
    trailer[35] = 9;
    assert_eq!(
        after_start(&trailer),
        "malformed enhanced packet block at offset 48: \
         expected the block length again at the end of the block, found 9"
    );
    let mut captured = packet;
    captured[23] = 5;
    assert_eq!(
        after_start(&captured),
        "malformed enhanced packet block at offset 48: \
         expected a captured length within the block, found 5"
    );
    assert_eq!(
        after_start(&enhanced(order, 1, 0, &Packet::whole(b"x"))),
        "malformed enhanced packet block at offset 48: \
         expected an interface described before, found 1"
    );
    assert_eq!(
        after_start(&block(order, 6, &[0; 16])),
        "malformed enhanced packet block at offset 48: \
         expected a body that holds the fixed fields, found 16"
    );
    assert_eq!(
        after_start(&order.words(&[4, 15])),
        "malformed block at offset 48: expected a block length that is a multiple of 4, found 15"
    );
    assert_eq!(
        after_start(&order.words(&[4, 8])),
        "malformed block at offset 48: expected a block length that holds the block, found 8"
    );
    assert_eq!(
        after_start(&order.words(&[4, 1 << 30])),
        "block at offset 48 is too long: 1073741816 bytes, at most 16777216 are read"
    );
}

#[test]
fn refuses_what_only_begins_like_a_section() {
    let mut magic = section(Order::Little);
    magic[8] = 0;
    assert!(read_error(&magic).contains("expected the byte-order magic"));
    let mut version = section(Order::Little);
    version[12] = 2;
    assert_eq!(
        read_error(&version),
        "section header block at offset 0 has version 2.0: expected major version 1"
    );
}

#[test]
fn bounds_the_interfaces_of_a_section() {
    let order = Order::Little;
    let file = [section(order), interface(order, 1, 0, &[]).repeat(65_537)].concat();
    assert!(read_error(&file).ends_with("expected at most 65536 interfaces, found 65537"));
}
