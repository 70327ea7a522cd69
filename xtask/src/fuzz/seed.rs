//! What the fuzz targets begin with: small inputs that reach far.
//!
//! A target without a line in [`seeds`] begins with nothing.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Writes the seeds of `target` into `folder`; there they keep what earlier runs found company.
pub(super) fn write(target: &str, folder: &Path) -> Result<()> {
    for (index, seed) in seeds(target)?.iter().enumerate() {
        let path = folder.join(format!("seed-{index:03}"));
        fs::write(&path, seed).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn seeds(target: &str) -> Result<Vec<Vec<u8>>> {
    match target {
        "packet" => Ok(packets()),
        "capture" => captures(),
        "replay" => Ok(vec![pcap(), pcapng()]),
        "filter" => Ok(filters()),
        "layout" => Ok(layouts()),
        "quic" => Ok(datagrams()),
        "initial" => Ok(payloads()),
        "quic_connection" => Ok(conversations()),
        "rules" => Ok(rules()),
        "rule_body" => Ok(rule_bodies()),
        "tapped" => Ok(vec![told()]),
        _ => Ok(Vec::new()),
    }
}

/// The first byte chooses the link type: the frames are read as each.
fn packets() -> Vec<Vec<u8>> {
    let links = 0..6;
    links
        .flat_map(|link| frames().map(|frame| [&[link], &frame[..]].concat()))
        .collect()
}

/// The first byte chooses whether the target compresses the rest before it reads it.
fn captures() -> Result<Vec<Vec<u8>>> {
    let plain = [pcap(), pcapng()];
    let mut seeds: Vec<_> = (0..3)
        .flat_map(|packing| plain.iter().map(move |file| with_first(packing, file)))
        .collect();
    for file in &plain {
        seeds.push(with_first(0, &gzip(file).context("compressing a seed")?));
        seeds.push(with_first(0, &zstd(file)));
    }
    Ok(seeds)
}

/// A line each, and behind it a connection ID that fits: its length, its bytes.
fn layouts() -> Vec<Vec<u8>> {
    let layouts = [
        ("telementry queue=backend>>4%16", 8),
        ("mvfst", 8),
        ("nginx version=1 port=443", 20),
        (
            "quic-lb config=0 server-id=3 nonce=4 length=self5 key=8f95f09245765f80256934e50c66207f",
            8,
        ),
        (
            "custom server=192.0.2.0/24 length=5+ guard=0xf0/0x00 cpu=16:16le backend=cpu",
            5,
        ),
    ];
    let seeds = layouts.map(|(line, length)| {
        let cid = [length, 7, 0x20, 0xb1, 0xd0, 0x7b, 0x35, 0x9d, 0x3c];
        [line.as_bytes(), b"\n", &cid].concat()
    });
    seeds.to_vec()
}

/// A file with everything that a rule can say, and one that has its numbers.
fn rules() -> Vec<Vec<u8>> {
    let whole = "[[rule]]\nlabel = \"a.b_c:d/e-1\"\naction = \"sample 100\"\npriority = -5\n\
                 source = \"10.0.0.0/8\"\ndestination = \"10.1.2.3\"\nprotocol = \"tcp\"\n\
                 source_port = \"1-1023\"\ndestination_port = 443\nboth_ways = true\n\
                 interface = \"eth\\u0001\"\ndirection = \"in\"\nvlan = 0\nbackend = 7\n";
    let kept = "next_number = 3\n[[rule]]\nnumber = 2\nlabel = \"a\"\nsource = \"2001:db8::/32\"\n\
                action = \"drop\"\n[labels]\na = 1\nb = 7\n";
    [whole, kept].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// One rule with everything that it can say, and a list.
fn rule_bodies() -> Vec<Vec<u8>> {
    let one = r#"{"label": "a", "action": "sample 100", "priority": -5, "source": "10.0.0.0/8",
        "destination": "10.1.2.3", "protocol": "tcp", "source_port": "1-1023",
        "destination_port": 443, "both_ways": true, "interface": "eth\u0001",
        "direction": "in", "vlan": 0, "backend": 7, "number": 1, "label_id": 1}"#;
    let list =
        r#"{"rules": [{"label": "a", "direction": null}, {"label": "b", "action": "drop"}]}"#;
    [one, list].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Bytes that come at once, and one message of each kind.
fn told() -> Vec<u8> {
    let messages = r#"{"hello":{"version":1,"process":7,"netns":9,"ends":[[2,"left"],[3,"right"]],"labels":["a"]}}
{"books":{"received":2,"unwanted":0,"missed":1}}
{"packet":[4,{"netns":9,"ifindex":2,"interface":"left","link_type":1,"unix_ns":5,"wire_bytes":60,
"#
    .replace(",\n", ",");
    let rest =
        "\"is_outbound\":false,\"comment\":\"label=a\"}]}\n\n{}\n\"end\"\n{\"refused\":\"no\"}\n";
    [b"\x10", messages.as_bytes(), rest.as_bytes()].concat()
}

fn filters() -> Vec<Vec<u8>> {
    let filters = [
        "tcp and (port 80 or port 443-8443) and not net 10.0.0.0/8",
        "src host 2001:db8::1 || dst net fe80::/10 && !udp",
        "interface eth0 and in and vlan 7 or ethertype 0x88cc or proto gre",
    ];
    filters.map(|filter| filter.as_bytes().to_vec()).to_vec()
}

/// A version negotiation; a Retry; an Initial, a Handshake packet and one with a short header, in
/// version 1 and in version 2; a header of Q046.
fn datagrams() -> Vec<Vec<u8>> {
    let long = |first: u8, version: u32| {
        let ids = [2, 0xd0, 0xd1, 1, 0xc0];
        [&[first], &version.to_be_bytes()[..], &ids].concat()
    };
    let token_and_tag = [0xab; 20];
    let coalesced = |initial, handshake, version| {
        let protected = [3, 7, 7, 7];
        [
            long(initial, version),
            [&[2, b'h', b'i'], &protected[..]].concat(),
            long(handshake, version),
            protected.to_vec(),
            vec![0x41, 0xd0, 0xd1, 9],
        ]
        .concat()
    };
    vec![
        [long(0x80, 0), vec![0, 0, 0, 1, 0x1a, 0x2a, 0x3a, 0x4a]].concat(),
        [&long(0xff, 1)[..], &token_and_tag].concat(),
        coalesced(0xc0, 0xe0, 1),
        coalesced(0xd0, 0xf0, 0x6b33_43cf),
        b"\xc3Q046\x50\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7".to_vec(),
    ]
}

/// Frames of a client's first Initial and of a server's.
fn payloads() -> Vec<Vec<u8>> {
    let client = client_hello();
    let server = server_hello();
    let (first, second) = client.split_at(client.len() / 2);
    let middle = first.len();
    vec![
        [crypto(middle, second), vec![1, 0, 0], crypto(0, first)].concat(),
        [&[2, 0, 0, 0, 0], &crypto(0, &server)[..]].concat(),
        vec![3, 9, 0, 1, 1, 2, 2, 1, 1, 1, 0x1c, 2, 0, 2, b'n', b'o'],
    ]
}

/// Steps of a datagram each: which kind, whose flow, the packet (type, version, three connection
/// IDs, content), no more packets, no change.
fn conversations() -> Vec<Vec<u8>> {
    const CLIENT: u8 = 0;
    const SERVER: u8 = 0x88;
    const MOVED: u8 = 1;
    let step =
        |flow, kind, content: &[u8]| [&[0, flow, kind, 0, 2, 3, 4], content, &[0, 0, 0]].concat();
    // From the client: to the ID of the server, from its own.
    let to_server =
        |flow, kind, content: &[u8]| [&[0, flow, kind, 0, 2, 4, 3], content, &[0, 0, 0]].concat();
    let hello = to_server(CLIENT, 10, &[40]);
    let answer = step(SERVER, 3, &[1, 1]);
    let content = [&[24][..], &[9; 24]].concat();
    let moved = to_server(MOVED, 9, &content);
    let count = vec![6, MOVED, 5];
    vec![
        [
            &hello[..],
            &answer,
            &to_server(CLIENT, 6, &content),
            &moved,
            &count,
        ]
        .concat(),
        [&hello[..], &step(SERVER, 4, &[]), &answer, &[7, 0, 255]].concat(),
        [&to_server(CLIENT, 5, &content)[..], &hello, &answer].concat(),
    ]
}

fn crypto(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let [offset, length] = [offset, bytes.len()].map(|value| (value as u16 | 0x4000).to_be_bytes());
    [&[6], &offset[..], &length, bytes].concat()
}

/// Server name, ALPN, signature algorithms, versions and transport parameters (RFC 8446 section
/// 4.1.2).
fn client_hello() -> Vec<u8> {
    let extensions: [&[u8]; 5] = [
        b"\0\0\0\x08\0\x06\0\0\x03a.b",
        b"\0\x10\0\x05\0\x03\x02h3",
        &[0, 0x0d, 0, 4, 0, 2, 4, 3],
        &[0, 0x2b, 0, 5, 4, 0x1a, 0x1a, 3, 4],
        &[0, 0x39, 0, 9, 1, 2, 0x47, 0xd0, 0x0c, 0, 0x0f, 1, 0xc0],
    ];
    let ciphers = [0, 4, 0x3a, 0x3a, 0x13, 1];
    hello(1, &[&[0][..], &ciphers, &[1, 0]].concat(), &extensions)
}

/// Version and key share (RFC 8446 section 4.1.3).
fn server_hello() -> Vec<u8> {
    let extensions: [&[u8]; 2] = [&[0, 0x2b, 0, 2, 3, 4], &[0, 0x33, 0, 4, 0, 0x1d, 0, 0]];
    hello(2, &[0, 0x13, 1, 0], &extensions)
}

fn hello(kind: u8, fields: &[u8], extensions: &[&[u8]]) -> Vec<u8> {
    let extensions = extensions.concat();
    let length = (extensions.len() as u16).to_be_bytes();
    let body = [&[3, 3], &[0x5a; 32][..], fields, &length, &extensions].concat();
    [&[kind, 0, 0, body.len() as u8], &body[..]].concat()
}

fn with_first(first: u8, rest: &[u8]) -> Vec<u8> {
    [&[first], rest].concat()
}

/// A TCP segment over IPv4 with an option behind two VLAN tags; UDP over IPv6 behind a hop-by-hop
/// header and a fragment header; ARP; the bare IP packets; the first in a cooked frame.
fn frames() -> [Vec<u8>; 6] {
    let macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let ipv4 = ipv4();
    let ipv6 = ipv6();
    let tags = [0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 8, 0];
    let cooked = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    [
        [&macs[..], &tags, &ipv4].concat(),
        [&macs[..], &[0x86, 0xdd], &ipv6].concat(),
        [&macs[..], &[8, 6], &[0; 28]].concat(),
        [&cooked[..], &ipv4].concat(),
        ipv4,
        ipv6,
    ]
}

fn ipv4() -> Vec<u8> {
    let header = [
        0x46, 0, 0, 44, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    let option = [0x94, 4, 0, 0];
    let tcp = [
        0xc0, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
    ];
    [&header[..], &option, &tcp].concat()
}

fn ipv6() -> Vec<u8> {
    let header = [0x60, 0, 0, 0, 0, 24, 0, 64];
    let addresses = [[0xfd; 16], [0xfc; 16]].concat();
    let hop_by_hop = [44, 0, 1, 4, 0, 0, 0, 0];
    let fragment = [17, 0, 0, 1, 0, 0, 0, 1];
    let udp = [0xc0, 0, 1, 0xbb, 0, 8, 0, 0];
    [&header[..], &addresses, &hop_by_hop, &fragment, &udp].concat()
}

/// One frame of each kind, little-endian, Ethernet.
fn pcap() -> Vec<u8> {
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1]);
    for frame in frames() {
        let length = frame.len() as u32;
        file.extend(words(&[10, 7, length, length]));
        file.extend(frame);
    }
    file
}

/// A section, an interface with a time resolution, and each frame as an enhanced packet.
fn pcapng() -> Vec<u8> {
    let section = words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]);
    // Ethernet, then if_tsresol: option 9 of one byte.
    let interface = words(&[1, 65_535, 0x0001_0009, 9, 0]);
    let mut file = block(0x0a0d_0d0a, &section);
    file.extend(block(1, &interface));
    for mut frame in frames() {
        let length = frame.len() as u32;
        frame.resize(frame.len().next_multiple_of(4), 0);
        file.extend(block(
            6,
            &[words(&[0, 0, 7, length, length]), frame].concat(),
        ));
    }
    file
}

fn block(number: u32, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 12;
    [&words(&[number, length])[..], body, &words(&[length])].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn gzip(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    encoder.finish()
}

/// A frame of one raw block (RFC 8878, sections 3.1.1.1 and 3.1.1.2).
fn zstd(content: &[u8]) -> Vec<u8> {
    let length = content.len() as u32;
    let is_last = 1;
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    // One segment, its size in four bytes.
    let descriptor = [0xa0];
    let block_header = (length << 3 | is_last).to_le_bytes();
    [
        &magic[..],
        &descriptor,
        &length.to_le_bytes(),
        &block_header[..3],
        content,
    ]
    .concat()
}
