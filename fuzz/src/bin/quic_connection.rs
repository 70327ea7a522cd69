//! The table of QUIC connections: no sequence of events makes it panic, every event and every packet
//! is accounted for, and limits hold.
//!
//! The input is a sequence of steps: a byte says which, some more what with. Packets are built,
//! because nobody finds a right tag by chance, and may be changed afterwards.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netweir_flow::{
    Sample,
    quic::{
        Sender,
        connection::{Connections, Limits, Settings},
        layout::{Layout, Layouts},
    },
};
use netweir_packets::quic::{
    client_hello, client_initial, crypto, handshake, retry, server_initial, short,
    version_negotiation, zero_rtt,
};
use netweir_wire::{
    map::{FlowCounters, FlowKey, QuicEvent, SpinSums},
    packet::quic::Version,
};
use std::sync::Arc;

const LIMITS: Limits = Limits {
    connections: 3,
    guesses: 3,
    cids: 3,
    paths: 2,
    crypto_bytes: 600,
};
/// Steps of an input at most: it should be many inputs that are tried.
const MAX_STEPS: usize = 64;

/// Takes numbers off the input; 0 behind its end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }

    fn taken(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn cid(&mut self) -> &'static [u8] {
        let cids: [&[u8]; 8] = [
            b"",
            b"\x01",
            b"\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7",
            b"\xc0\xc1\xc2\xc3\xc4",
            b"\x01\x00\x01\x2c\x50\x51\x52\x53",
            b"another id",
            b"a third one",
            &[7; 20],
        ];
        cids[usize::from(self.byte() % 8)]
    }

    fn version(&mut self) -> Version {
        [Version::V1, Version::V2, Version::draft(29)][usize::from(self.byte() % 3)]
    }

    fn packet(&mut self) -> Vec<u8> {
        let (kind, version) = (self.byte(), self.version());
        let (first, dcid, scid) = (self.cid(), self.cid(), self.cid());
        let initial = client_initial(version, first, scid).padded_to(0);
        let answer = server_initial(version, first, dcid, scid);
        match kind % 12 {
            0 => initial.carrying(self.taken()),
            1 => initial.to(dcid).carrying(self.taken()),
            2 => initial.token(b"token").carrying(self.taken()),
            3 => answer.carrying(self.taken()),
            4 => retry(version, first, (dcid, scid), b"token"),
            5 => zero_rtt(version, dcid, scid, self.taken()),
            6 => handshake(version, dcid, scid, self.taken()),
            7 => version_negotiation(dcid, scid, &[Version::V1, version]),
            8 => handshake(Version(self.word() as u32), dcid, scid, &[5; 1200]),
            9 => short(dcid, self.taken()),
            10 => {
                let hello = client_hello().server_name("a.example").bytes();
                let cut = usize::from(self.byte()).min(hello.len());
                let (begin, end) = hello.split_at(cut);
                initial.carrying([crypto(cut as u64, end), crypto(0, begin)].concat())
            }
            _ => self.taken().to_vec(),
        }
    }

    fn datagram(&mut self) -> Vec<u8> {
        let mut bytes = self.packet();
        for _ in 0..self.byte() % 4 {
            bytes.extend(self.packet());
        }
        let (at, change) = (usize::from(self.byte()), self.byte());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= change;
        }
        bytes
    }

    /// One of few flows.
    fn key(&mut self) -> FlowKey {
        let choice = self.byte();
        let mut client = [0; 16];
        client[10..].copy_from_slice(&[0xff, 0xff, 192, 0, 2, choice & 1]);
        let mut server = client;
        server[12] = 198;
        let ports = [[0xc3, choice >> 1 & 3], [0x01, 0xbb]];
        let key = FlowKey {
            source: client,
            destination: server,
            source_port: ports[0],
            destination_port: ports[1],
            ethertype: [0x08, 0],
            protocol: 17,
            direction: choice >> 3 & 1,
            ..FlowKey::default()
        };
        if choice & 0x80 == 0 {
            return key;
        }
        FlowKey {
            source: key.destination,
            destination: key.source,
            source_port: key.destination_port,
            destination_port: key.source_port,
            ..key
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let layouts = Layout::parse("telementry port=443").expect("a layout");
    let layouts = Arc::new(Layouts::new(&layouts).expect("a layout that was checked"));
    let settings = Settings {
        limits: LIMITS,
        ..Settings::default()
    };
    let mut table = Connections::new(settings, layouts);
    let mut input = Input(input);
    let mut now_ns = 0_u64;
    for _ in 0..MAX_STEPS {
        if input.0.is_empty() {
            break;
        }
        now_ns = now_ns.saturating_add(1_000_000);
        step(&mut table, &mut input, &mut now_ns);
        check(&table);
    }
});

fn step(table: &mut Connections, input: &mut Input<'_>, now_ns: &mut u64) {
    let choice = input.byte();
    let mut event = QuicEvent {
        key: input.key(),
        time_ns: *now_ns,
        ..QuicEvent::default()
    };
    match choice % 8 {
        0..=3 => {
            let bytes = input.datagram();
            event.payload_bytes = bytes.len() as u32;
            event.kind = u8::from(bytes.first().is_some_and(|first| *first < 0x80));
            // What was captured of it.
            let captured = bytes.len().min(2047) - usize::from(choice >> 6).min(bytes.len());
            table.handle_event(&event, &bytes[..captured]);
        }
        4 => {
            event.kind = input.byte();
            event.time_ns = input.word();
            event.payload_bytes = input.byte().into();
            table.handle_event(&event, input.taken());
        }
        5 => {
            let [sum_ns, min_ns, max_ns] = [(); 3].map(|()| input.word());
            event.kind = 2;
            event.spin = SpinSums {
                sum_ns,
                min_ns,
                max_ns,
                turns: input.word() as u32,
                packets: input.word() as u32,
            };
            table.handle_event(&event, &[]);
        }
        6 => table.add_sample(&Sample {
            key: event.key,
            counters: FlowCounters {
                packets: input.byte().into(),
                last_ns: *now_ns,
                ..FlowCounters::ZERO
            },
            ..Sample::default()
        }),
        _ => {
            *now_ns = now_ns.saturating_add(u64::from(input.byte()) << 30);
            table.tick(*now_ns, usize::MAX);
        }
    }
}

fn check(table: &Connections) {
    let counters = table.counters();
    assert_eq!(counters.outcomes.iter().sum::<u64>(), counters.events);
    let told = counters.live + counters.ended + counters.unclaimed;
    assert_eq!(counters.received, told);
    let (known, guesses) = table.len();
    assert_eq!(table.all().count(), known + guesses);
    assert!(known <= LIMITS.connections && guesses <= LIMITS.guesses);
    assert!(table.crypto_bytes() <= LIMITS.crypto_bytes);
    let (paths, cids) = table.indexed();
    assert!(paths <= (known + guesses) * LIMITS.paths);
    assert!(cids <= (known + guesses) * LIMITS.cids * 2);
    for one in table.iter() {
        for side in [Sender::Client, Sender::Server] {
            assert!(one.cids_of(side).len() <= LIMITS.cids);
            one.spin_state(side);
        }
        one.timing.round_trip_ns();
    }
    table.totals();
}
