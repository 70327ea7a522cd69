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

fn filters() -> Vec<Vec<u8>> {
    let filters = [
        "tcp and (port 80 or port 443-8443) and not net 10.0.0.0/8",
        "src host 2001:db8::1 || dst net fe80::/10 && !udp",
        "interface eth0 and in and vlan 7 or ethertype 0x88cc or proto gre",
    ];
    filters.map(|filter| filter.as_bytes().to_vec()).to_vec()
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
