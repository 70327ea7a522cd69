//! A capture read later tells the same as the frames told when they came.

use std::{collections::BTreeMap, fs, path::PathBuf};

use netweir_packets::{Case, corpus};
use netweir_tests::{Feature, Netweir, World, is_root};
use netweir_wire::packet::{LinkType, Problem, ethertype};
use rustix::process::Signal;
use serde_json::Value;

use crate::traffic::crafted;

/// What a flow has in both: not the interface, and not the time.
const KEPT: [&str; 20] = [
    "direction",
    "protocol",
    "protocol_number",
    "ethertype",
    "source_address",
    "source_port",
    "destination_address",
    "destination_port",
    "vlans",
    "packets",
    "frames",
    "bytes",
    "source_mac",
    "destination_mac",
    "tcp_flags_number",
    "dscp",
    "first_fragment",
    "later_fragment",
    "icmp_type",
    "icmp_code",
];

/// Every frame of the corpus that can be sent, a link header at least and the MTU at most, and that
/// comes to the hook as it was sent.
fn frames(hook: &str) -> Vec<Vec<u8>> {
    let corpus = corpus()
        .into_iter()
        .filter(|case| case.link == LinkType::Ethernet);
    // At TC the outer tag is beside the frame, so that one tag more can be read.
    let same = |case: &Case| hook != "tc" || case.expected.headers.problem != Problem::TooManyTags;
    let frames = corpus
        .filter(same)
        .map(|case| case.bytes)
        .chain(crafted().into_iter().map(|(frame, _)| frame));
    frames
        .filter(|frame| (14..=9014).contains(&frame.len()))
        .filter(|frame| hook != "tc" || !is_dropped_before_tc(frame))
        .collect()
}

/// The kernel takes the outer VLAN tag off before TC, and drops a frame that ends inside of it or
/// without an ethertype behind it (`skb_vlan_untag`). The interface, XDP and the tracepoints have
/// counted it by then.
fn is_dropped_before_tc(frame: &[u8]) -> bool {
    let tags = [ethertype::VLAN, ethertype::SERVICE_VLAN].map(u16::to_be_bytes);
    frame.len() < 14 + 4 + 2 && tags.iter().any(|tag| frame[12..14] == *tag)
}

/// A capture file of the classic format, one millisecond between two frames.
fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    // Magic, version 2.4, time zone, accuracy, snapshot length, Ethernet.
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for (number, frame) in (0_u32..).zip(frames) {
        let (seconds, microseconds) = (1_700_000_000 + number / 1000, number % 1000 * 1000);
        for word in [
            seconds,
            microseconds,
            frame.len() as u32,
            frame.len() as u32,
        ] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// The flows of a report, and how often each came.
fn flows(output: &[String]) -> BTreeMap<String, usize> {
    let mut flows = BTreeMap::new();
    for line in output {
        let flow: Value = serde_json::from_str(line).unwrap();
        let kept = KEPT.map(|name| format!("{name}={}", flow[name]));
        *flows.entry(kept.join(" ")).or_default() += 1;
    }
    flows
}

/// A file that is removed with this value.
struct Capture(PathBuf);

impl Capture {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let name = format!("netweir-{}-{name}.pcap", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // What is left behind in the temporary folder harms nobody.
        let _removed = fs::remove_file(&self.0);
    }
}

fn replay(path: &str) -> Netweir {
    Netweir::new(["replay", "--format", "json", path])
}

#[test]
fn tells_the_same_as_tcx() {
    tells_the_same_as("tc");
}

#[test]
fn tells_the_same_as_xdp() {
    tells_the_same_as("xdp");
}

#[test]
fn tells_the_same_as_the_tracepoints() {
    if !Feature::TracedPages.is_there_or_skip() {
        return;
    }
    tells_the_same_as("tracepoint");
}

fn tells_the_same_as(hook: &str) {
    if !is_root() {
        return;
    }
    let world = World::new();
    let frames = frames(hook);
    let child = Netweir::flows(&world, &["--hook", hook]).meter();
    world.send(&frames);
    let live = child.end(Signal::TERM);
    let capture = Capture::new(hook, &pcap(&frames));
    let replayed = replay(capture.path()).finish();
    assert_eq!(live.books(), replayed.books());
    let (live, replayed) = (flows(&live.output), flows(&replayed.output));
    let only = |some: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| {
        some.keys()
            .filter(|flow| !other.contains_key(*flow))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (only(&live, &replayed), only(&replayed, &live)),
        (vec![], vec![])
    );
    assert_eq!(live, replayed);
}

#[test]
fn reads_standard_input() {
    let frames = frames("");
    let file = pcap(&frames);
    let capture = Capture::new("input", &file);
    let named = replay(capture.path()).finish();
    let piped = replay("-").input(file).finish();
    assert_eq!(piped.books(), named.books());
    assert_eq!(flows(&piped.output), flows(&named.output));
    assert!(
        named
            .books()
            .contains(&format!(" {} packets seen", frames.len())),
        "{}",
        named.books()
    );
}

#[test]
fn tells_what_came_before_the_damage() {
    let frames = &frames("")[..3];
    let mut file = pcap(frames);
    let whole = replay("-").input(pcap(&frames[..2])).finish();
    let last = file.len() - frames[2].len() - 16;
    file.truncate(file.len() - 1);
    let capture = Capture::new("damage", &file);
    let damaged = replay(capture.path()).finish();
    assert_eq!(flows(&damaged.output), flows(&whole.output));
    let (code, told) = damaged.failure();
    assert_eq!(code, Some(1));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("netweir: 2 packets seen = 2 counted"),
        "{told:?}"
    );
    let text = format!("netweir: {}: read 2 frames, then failed: ", capture.path());
    assert!(
        told[1].starts_with(&text) && told[1].contains(&last.to_string()),
        "{last} {told:?}"
    );
}
