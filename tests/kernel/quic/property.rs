//! The kernel reads connection IDs as the host does: any layouts, any bytes.

use std::{collections::HashMap, net::SocketAddr};

use netweir_flow::quic::layout::{
    Cid, CidPacket, CidRoute, Layout, Layouts, MAX_CID_BYTES, ServerChosen, Undecoded, cid_server,
};
use netweir_packets::frame::{ethernet_ipv4, ethernet_ipv6, ipv4, ipv6, udp};
use netweir_tests::{Program, Rig, SkbContext, is_root};
use netweir_wire::{
    map::{LAYOUT_CLEAR, QuicBackendKey, Volume},
    packet::{LinkType, protocol},
};

use super::{backend::rig_with_layouts, check_books};

/// Sets of layouts, and frames that are sent with each.
const SETS: u64 = 300;
const FRAMES: u64 = 20;

/// Numbers that look random, the same ones each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// A line that may be a layout.
fn line(random: &mut Random) -> String {
    let servers = [
        "",
        "server=10.0.0.2 ",
        "server=10.0.0.0/8 ",
        "server=2001:db8::/32 ",
    ];
    let scope = [
        random.one_of(&servers),
        random.one_of(&["", "port=443 ", "port=8443 "]),
        random.one_of(&["", "", "", "version=1 "]),
    ]
    .concat();
    let small = random.below(8);
    match random.below(6) {
        0 => format!("telementry {scope}"),
        1 => format!("mvfst {scope}"),
        2 => format!("nginx {scope}"),
        3 => {
            let key = random.one_of(&["", "key=8f95f09245765f80256934e50c66207f"]);
            let nonce = 4 + random.below(6);
            format!(
                "quic-lb {scope}config={small} server-id={} nonce={nonce} {key}",
                1 + small
            )
        }
        _ => custom(random, &scope),
    }
}

fn custom(random: &mut Random, scope: &str) -> String {
    let length = 1 + random.below(20);
    let rule = random.one_of(&["", "", "+"]);
    let length = match random.below(4) {
        0 => random.one_of(&["self5", "self6"]).to_owned(),
        _ => format!("{length}{rule}"),
    };
    let mask = random.next() as u8 & random.next() as u8 & random.next() as u8;
    let value = random.next() as u8 & mask;
    let mut field = |name| {
        let (offset, bits) = (random.below(80), 1 + random.below(64));
        let shift = random.below(bits);
        let modulo = 1 + random.below(100);
        match random.below(4) {
            0 => String::new(),
            1 => format!("{name}={offset}:{bits} "),
            2 => format!("{name}={}:{}le ", offset / 8 * 8, bits.div_ceil(8) * 8),
            _ => format!("{name}={offset}:{bits}>>{shift}%{modulo} "),
        }
    };
    let fields = [field("backend"), field("queue")].concat();
    format!("custom {scope}length={length} guard={mask:#04x}/{value:#04x} {fields}")
}

/// Lines that are layouts, and what they are compiled to.
fn some_layouts(random: &mut Random) -> (Vec<String>, Layouts) {
    loop {
        let wanted = 1 + random.below(6);
        let lines: Vec<String> = (0..wanted).map(|_| line(random)).collect();
        let lines: Vec<String> = lines
            .into_iter()
            .filter(|line| Layout::parse(line).is_ok())
            .collect();
        let parsed: Vec<Layout> = lines
            .iter()
            .flat_map(|line| Layout::parse(line).unwrap())
            .collect();
        match Layouts::new(&parsed) {
            Ok(layouts) if !parsed.is_empty() => return (lines, layouts),
            _ => {}
        }
    }
}

/// A short header, which often fits the guard of one of the layouts.
fn datagram(random: &mut Random, layouts: &Layouts, bytes: u64) -> Vec<u8> {
    let mut datagram = random.bytes(bytes);
    datagram[0] &= 0x7f;
    let program = layouts.program();
    let row = &program.rows[random.below(program.count.into()) as usize];
    if let Some(first) = datagram.get_mut(1).filter(|_| random.below(4) != 0) {
        *first = *first & !row.guard_mask | row.guard_value;
        if row.length_mask != 0 && random.below(4) != 0 {
            *first = *first & !row.length_mask | (row.min_bytes - 1);
        }
    }
    datagram
}

/// What the host says of it.
fn decode(
    layouts: &Layouts,
    server: SocketAddr,
    datagram: &[u8],
) -> Result<QuicBackendKey, Undecoded> {
    let mut bytes = [0; MAX_CID_BYTES];
    let available = datagram[1..].len().min(MAX_CID_BYTES);
    bytes[..available].copy_from_slice(&datagram[1..=available]);
    let cid = Cid::open(bytes, available as u8);
    let cid = ServerChosen::from_client(CidPacket::OneRtt, cid)?;
    let server = cid_server(server, None);
    let place = layouts.program().find(&server, &cid)?;
    let decoded = layouts.decode(&server, &cid)?;
    if layouts.program().rows[place].kind != LAYOUT_CLEAR {
        return Err(Undecoded::Encrypted);
    }
    let CidRoute { backend, queue } = decoded.route;
    Ok(QuicBackendKey {
        backend: backend.unwrap_or(0),
        queue: queue.unwrap_or(0),
        layout: place as u32,
        named: u32::from(backend.is_some()) | u32::from(queue.is_some()) << 1,
    })
}

/// What is to be counted.
#[derive(Default)]
struct Expected {
    backends: HashMap<QuicBackendKey, Volume>,
    undecoded: [u64; 8],
}

impl Expected {
    fn add(&mut self, layouts: &Layouts, server: SocketAddr, datagram: &[u8]) {
        match decode(layouts, server, datagram) {
            Ok(key) => {
                *self.backends.entry(key).or_default() += Volume {
                    packets: 1,
                    bytes: datagram.len() as u64,
                };
            }
            Err(reason) => self.undecoded[reason as usize] += 1,
        }
    }
}

/// Datagrams that fit into one frame without more connection IDs than are told apart, and how many
/// bytes each but the last one has.
fn datagrams(random: &mut Random, layouts: &Layouts, is_offloaded: bool) -> (u64, Vec<Vec<u8>>) {
    if !is_offloaded || random.below(2) == 0 {
        let bytes = 1 + random.below(40);
        return (bytes, vec![datagram(random, layouts, bytes)]);
    }
    let bytes = 1 + random.below(40);
    let first = datagram(random, layouts, bytes);
    let program = layouts.program();
    let rows = &program.rows[..program.count as usize];
    let seen = rows.iter().map(|row| usize::from(row.seen_bytes())).max();
    // What no layout reads is another in each.
    let alike = first.len().min(1 + seen.unwrap());
    let alike = |random: &mut Random| [&first[..alike], &random.bytes(bytes)[alike..]].concat();
    let mut datagrams: Vec<_> = (0..1 + random.below(40)).map(|_| alike(random)).collect();
    for _ in 0..random.below(4) {
        let place = 1 + random.below(datagrams.len() as u64) as usize;
        datagrams.insert(place.min(datagrams.len()), datagram(random, layouts, bytes));
    }
    (bytes, datagrams)
}

/// Sends datagrams in one frame, to one of two servers.
fn send(
    rig: &mut Rig,
    program: Program,
    random: &mut Random,
    (segment, payload): (u64, &[u8]),
) -> SocketAddr {
    let port = if random.below(2) == 0 { 443 } else { 8443 };
    let datagram = udp(5000, port, payload);
    let (frame, server) = if random.below(2) == 0 {
        let server = SocketAddr::from(([10, 0, 0, 2], port));
        (
            ethernet_ipv4(ipv4(protocol::UDP).carrying(datagram)),
            server,
        )
    } else {
        let server = format!("[2001:db8::2]:{port}").parse().unwrap();
        (
            ethernet_ipv6(ipv6(protocol::UDP).carrying(datagram)),
            server,
        )
    };
    if payload.len() as u64 > segment {
        let context = SkbContext::new()
            .segment_bytes(segment as u32)
            .segments((payload.len() as u64).div_ceil(segment) as u32);
        rig.run_with(program, &frame, &context).unwrap();
    } else {
        rig.run(program, &frame).unwrap();
    }
    server
}

#[test]
fn the_kernel_names_what_the_host_names() {
    if !is_root() {
        return;
    }
    for program in Program::all().filter(|program| program.link != LinkType::Ip) {
        let is_offloaded = program.entry == netweir_tests::Entry::Tc;
        let random = &mut Random(program.name.len() as u64);
        let (_, nothing) = some_layouts(random);
        let mut rig = rig_with_layouts(program, &nothing);
        let (mut undecoded, mut decoded) = ([0; 8], 0);
        for _ in 0..SETS {
            let (lines, layouts) = some_layouts(random);
            rig.collector.set_layouts(layouts.program()).unwrap();
            let mut expected = Expected::default();
            for _ in 0..FRAMES {
                let (segment, datagrams) = datagrams(random, &layouts, is_offloaded);
                let payload = datagrams.concat();
                let server = send(&mut rig, program, random, (segment, &payload));
                for datagram in &datagrams {
                    expected.add(&layouts, server, datagram);
                }
            }
            let batch = rig.drain().unwrap();
            check_books(&batch, true);
            let before = std::mem::replace(&mut undecoded, batch.quic.undecoded);
            for (place, before) in before.iter().enumerate() {
                expected.undecoded[place] += before;
            }
            let found: HashMap<_, _> = batch.quic_backends.into_iter().collect();
            assert_eq!(batch.quic.no_room, 0, "{}: {lines:#?}", program.name);
            assert_eq!(found, expected.backends, "{}: {lines:#?}", program.name);
            assert_eq!(
                undecoded, expected.undecoded,
                "{}: {lines:#?}",
                program.name
            );
            decoded = batch.quic.decoded;
        }
        println!("{}: {decoded} decoded, {undecoded:?} not", program.name);
        // Everything but IDs of clients, which no client sends to under a short header.
        assert!(
            undecoded[..5]
                .iter()
                .chain(&undecoded[5..7])
                .all(|&count| count > 10)
        );
    }
}
