//! Ring 1: the host parser on every packet of the corpus, and on every beginning of each.

use std::collections::HashSet;

use netweir_packets::{Case, corpus, port_bits};
use netweir_wire::{
    map::{Direction, FlowKey, InterfaceKey, classes},
    packet::{Headers, Problem},
};

fn read(case: &Case, length: usize) -> Headers {
    Headers::read(&&case.bytes[..length], case.link)
}

/// Fails with all complaints at once.
fn assert_none(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{} cases differ:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn names_are_unique_and_in_snake_case() {
    let cases = corpus();
    let names: HashSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    for name in names {
        let plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_');
        assert!(name.chars().all(plain), "{name}");
    }
}

#[test]
fn every_case_is_read_as_expected() {
    let complaint = |case: &Case| {
        let read = read(case, case.bytes.len());
        let expected = case.expected.headers;
        (read != expected).then(|| {
            format!(
                "{}\n  read     {read:?}\n  expected {expected:?}",
                case.name
            )
        })
    };
    assert_none(&corpus().iter().filter_map(complaint).collect::<Vec<_>>());
}

#[test]
fn every_case_is_in_its_classes() {
    let complaint = |case: &Case| {
        let found = classes(&read(case, case.bytes.len()), port_bits);
        let expected = case.expected.classes;
        (found != expected)
            .then(|| format!("{}: found {found:?}, expected {expected:?}", case.name))
    };
    assert_none(&corpus().iter().filter_map(complaint).collect::<Vec<_>>());
}

/// One byte more adds to what was read, and takes nothing of it back.
#[test]
fn what_was_read_before_a_cut_stays() {
    let mut complaints = Vec::new();
    for case in corpus() {
        for length in 0..case.bytes.len().min(700) {
            let (shorter, longer) = (read(&case, length), read(&case, length + 1));
            if !grows(&shorter, &longer) {
                complaints.push(format!(
                    "{} at {length}\n  shorter {shorter:?}\n  longer  {longer:?}",
                    case.name
                ));
            }
        }
    }
    assert_none(&complaints);
}

/// Whether `longer` is what `shorter` may become with one byte more.
fn grows(shorter: &Headers, longer: &Headers) -> bool {
    if shorter.problem == Problem::None {
        return shorter == longer;
    }
    let tags = usize::from(shorter.tag_count).min(2);
    kept(shorter.source_mac, longer.source_mac)
        && kept(shorter.destination_mac, longer.destination_mac)
        && shorter.tags[..tags] == longer.tags[..tags]
        && shorter.tag_count <= longer.tag_count
        && (shorter.problem == Problem::TagTruncated || kept(shorter.ethertype, longer.ethertype))
        && (!shorter.is_ip || same_ip(shorter, longer))
        && kept(shorter.source_port, longer.source_port)
        && kept(shorter.destination_port, longer.destination_port)
        && kept(shorter.tcp_flags, longer.tcp_flags)
        && shorter.payload_offset <= longer.payload_offset
}

/// Whether a field that was read is the same; zero is one that was not.
fn kept<T: Copy + PartialEq + Default>(shorter: T, longer: T) -> bool {
    shorter == T::default() || shorter == longer
}

fn same_ip(shorter: &Headers, longer: &Headers) -> bool {
    // The protocol may still be that of an extension header, which more bytes lead past.
    let walking = shorter.problem == Problem::ExtensionTruncated;
    longer.is_ip
        && shorter.source == longer.source
        && shorter.destination == longer.destination
        && shorter.traffic_class == longer.traffic_class
        && (walking || shorter.protocol == longer.protocol)
        && (walking || shorter.fragment == longer.fragment)
        && shorter.fragment as u8 <= longer.fragment as u8
}

#[test]
fn a_flow_that_is_not_ip_is_between_macs() {
    let interface = InterfaceKey {
        netns: 1,
        ifindex: 2,
        direction: Direction::Egress as u32,
    };
    for case in corpus() {
        let headers = read(&case, case.bytes.len());
        let key = FlowKey::new(interface, &headers);
        if headers.is_ip {
            assert_eq!(key.source, headers.source, "{}", case.name);
            assert_eq!(key.destination, headers.destination, "{}", case.name);
            continue;
        }
        assert_eq!(key.source[..6], headers.source_mac, "{}", case.name);
        assert_eq!(
            key.destination[..6],
            headers.destination_mac,
            "{}",
            case.name
        );
        assert_eq!(
            (key.source[6..].iter().sum::<u8>(), key.protocol),
            (0, 0),
            "{}",
            case.name
        );
    }
}
