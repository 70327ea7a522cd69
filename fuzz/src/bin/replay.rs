//! A capture file on its whole way, through reader, parser, tally and table: whatever it holds, the
//! books balance.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use netweir_capture::Reader;
use netweir_flow::{Frame, Meter, Query, Settings, Tally};
use netweir_wire::{
    map::{Direction, PortClasses},
    packet::LinkType,
};

fuzz_target!(|input: &[u8]| {
    let Ok(mut reader) = Reader::from_read(Cursor::new(input.to_vec())) else {
        return;
    };
    let settings = Settings {
        // Small, so that the limits are reached.
        max_flows: 8,
        max_hosts: 4,
        max_interfaces: 4,
        ..Settings::default()
    };
    let mut meter = Meter::new(&settings, 0);
    let mut tally = Tally::new(Box::new(PortClasses { bits: [0; 65536] }));
    let mut frames = 0;
    while let Ok(Some(frame)) = reader.next_frame() {
        let Some(link) = LinkType::from_capture(frame.link_type) else {
            continue;
        };
        frames += 1;
        tally.add(&Frame {
            interface: frame.interface,
            link,
            direction: Direction::Ingress,
            timestamp_ns: frame.timestamp_ns,
            wire_bytes: frame.wire_bytes,
            bytes: frame.bytes,
        });
        if frames % 4 == 0 {
            tally.hand_over(&mut meter, frame.timestamp_ns);
            meter.tick(frame.timestamp_ns);
        }
    }
    tally.hand_over(&mut meter, u64::MAX);
    let books = meter.audit();
    let difference = books.imbalance();
    assert_eq!(difference.table.packets, 0, "{books:?}");
    assert_eq!(difference.table.bytes, 0, "{books:?}");
    assert_eq!(books.received.packets, frames);
    meter.flows(&Query::default());
    meter.connections(&Query::default());
    meter.finish(u64::MAX);
});
