//! A capture read later tells the same as the frames told when they came.

use std::collections::BTreeMap;

use netweir_packets::{Case, corpus};
use netweir_tests::{Feature, Netweir, World, is_root};
use netweir_wire::packet::{LinkType, Problem, ethertype};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    capture::{Capture, pcap},
    traffic::crafted,
};

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
fn rules_decide_about_what_is_replayed() {
    let capture = Capture::new("labelled", &pcap(&frames("")));
    let rules = Capture::new(
        "rules",
        b"[[rule]]\nlabel = \"datagrams\"\naction = \"drop\"\nprotocol = \"udp\"\n",
    );
    let sum = |output: &[String], is_meant: &dyn Fn(&Value) -> bool| {
        let rows = output
            .iter()
            .map(|line| serde_json::from_str(line).unwrap());
        let meant = rows.filter(is_meant);
        meant
            .map(|row| row["packets"].as_u64().unwrap())
            .sum::<u64>()
    };
    let plain = replay(capture.path()).finish();
    let udp = sum(&plain.output, &|row| row["protocol_number"] == 17);
    let all = sum(&plain.output, &|_| true);
    assert!(udp > 0 && udp < all, "{udp} of {all}");
    let ruled = |by: &str| {
        let args = ["replay", "--rules", rules.path(), "--by", by, "--json"];
        Netweir::new([&args[..], &[capture.path()]].concat()).finish()
    };
    for by in ["flow", "label"] {
        let ended = ruled(by);
        let labelled = sum(&ended.output, &|row| row["label"] == "datagrams");
        let unlabelled = sum(&ended.output, &|row| row["label"].is_null());
        assert_eq!((labelled, unlabelled), (udp, all - udp), "{by}");
        // Nothing is dropped.
        let expected = format!("; of those seen, rules dropped 0 and spared {udp}");
        assert!(ended.books().ends_with(&expected), "{}", ended.books());
        assert!(
            ended.books().starts_with(plain.books()),
            "{}",
            ended.books()
        );
    }
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
