//! A capture file on its whole way, through reader, parser, tally and table, with QUIC on every port:
//! whatever it holds, the books balance.

#![no_main]

use std::{io::Cursor, sync::Arc};

use libfuzzer_sys::fuzz_target;
use netweir_capture::Reader;
use netweir_flow::{
    Frame, Meter, Query, Settings, Tally,
    quic::{
        self, connection,
        layout::{Layout, Layouts},
    },
};
use netweir_wire::{
    map::{Direction, PORT_QUIC, PortClasses},
    packet::LinkType,
};

fuzz_target!(|input: &[u8]| {
    let Ok(mut reader) = Reader::from_read(Cursor::new(input.to_vec())) else {
        return;
    };
    let layouts = layouts();
    let settings = Settings {
        // Small, so that the limits are reached.
        max_flows: 8,
        max_hosts: 4,
        max_interfaces: 4,
        quic: quic_settings(&layouts),
        ..Settings::default()
    };
    let mut meter = Meter::new(&settings, 0);
    let ports = PortClasses {
        bits: [PORT_QUIC; 65536],
    };
    let mut tally = Tally::new(Box::new(ports)).with_layouts(layouts);
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
    check_quic(&mut meter);
    meter.flows(&Query::default());
    meter.connections(&Query::default());
    meter.finish(u64::MAX);
});

fn layouts() -> Arc<Layouts> {
    let key = "quic-lb config=0 server-id=3 nonce=4 key=8f95f09245765f80256934e50c66207f port=443";
    let lines = [key, "mvfst port=4433", "telementry port=8000"];
    let layouts = lines
        .iter()
        .flat_map(|line| Layout::parse(line).expect("a layout"));
    Arc::new(Layouts::new(&layouts.collect::<Vec<_>>()).expect("layouts"))
}

fn quic_settings(layouts: &Arc<Layouts>) -> quic::Settings {
    let limits = connection::Limits {
        connections: 4,
        guesses: 4,
        ..connection::Limits::default()
    };
    quic::Settings {
        any_port: true,
        connections: connection::Settings {
            limits,
            ..connection::Settings::default()
        },
        layouts: Arc::clone(layouts),
        max_backends: 2,
        max_traced: 8,
    }
}

fn check_quic(meter: &mut Meter) {
    meter.quic_connections(&Query::default());
    assert!(meter.take_datagrams().datagrams.len() <= 8);
    let books = meter.quic().expect("it is on").accounting();
    let (kernel, table) = (books.kernel, books.table);
    assert_eq!(
        kernel.long,
        kernel.told[0] + kernel.lost.iter().sum::<u64>()
    );
    let undecoded: u64 = kernel.undecoded.iter().sum();
    assert_eq!(kernel.short, kernel.decoded + kernel.no_room + undecoded);
    assert_eq!(table.events, kernel.told.iter().sum::<u64>());
    assert_eq!(table.events, table.outcomes.iter().sum::<u64>());
    assert_eq!(table.received, table.live + table.ended + table.unclaimed);
}
