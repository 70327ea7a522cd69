//! Which flows are tied together, and who began.

use crate::driver::{
    Driver, SECOND, START, count, egress, flagged, icmp, on_loopback, sample, tcp,
};
use netweir_flow::{Connection, ConnectionState, Query, Sample, Settings, SortKey};
use netweir_wire::map::FlowKey;

const FIN: u16 = 1;
const SYN: u16 = 2;
const RST: u16 = 4;
const ACK: u16 = 16;

const REQUEST: &str = "10.0.0.1:50000 10.0.0.2:443";
const REPLY: &str = "10.0.0.2:443 10.0.0.1:50000";

fn connections(samples: &[Sample]) -> Vec<Connection> {
    let mut driver = Driver::new(&Settings::default());
    driver.now_ns += 10 * SECOND;
    driver.drain(samples);
    driver.meter.connections(&Query {
        sort: SortKey::Source,
        descending: false,
        ..Query::default()
    })
}

/// Who began, with how many packets each way.
fn summary(samples: &[Sample]) -> Vec<(String, u64, u64)> {
    let connections = connections(samples);
    let line = |connection: &Connection| {
        let packets = (connection.forward.packets, connection.reverse.packets);
        (connection.initiator.to_string(), packets.0, packets.1)
    };
    connections.iter().map(line).collect()
}

fn line(initiator: &str, forward: u64, reverse: u64) -> (String, u64, u64) {
    (initiator.to_owned(), forward, reverse)
}

#[test]
fn both_directions_are_one_connection() {
    let samples = [
        sample(tcp(REQUEST), count(3, 300), START),
        sample(egress(tcp(REPLY)), count(2, 2000), START + SECOND),
    ];
    let [connection] = &connections(&samples)[..] else {
        panic!("not one");
    };
    assert_eq!(connection.initiator.to_string(), "10.0.0.1:50000");
    assert_eq!(connection.responder.to_string(), "10.0.0.2:443");
    assert_eq!(
        (connection.forward, connection.reverse),
        (count(3, 300), count(2, 2000))
    );
    assert_eq!(
        (connection.first_unix_ns, connection.duration_ns()),
        (START, SECOND)
    );
    assert_eq!((&*connection.interface, connection.vlans), ("eth0", [0, 0]));
    assert_eq!(connection.protocol_name.to_string(), "TCP");
}

#[test]
fn the_initiator_is_who_sent_syn_else_the_first_else_the_higher_port() {
    let reply = egress(tcp(REPLY));
    let table = [
        // The one who sent SYN alone was seen later.
        [
            flagged(tcp(REQUEST), SYN, START + 5),
            flagged(reply, SYN | ACK, START),
        ],
        [
            flagged(tcp(REQUEST), ACK, START),
            flagged(reply, ACK, START + 5),
        ],
        [
            flagged(tcp(REQUEST), ACK, START),
            flagged(reply, ACK, START),
        ],
    ];
    for samples in table {
        assert_eq!(summary(&samples), [line("10.0.0.1:50000", 1, 1)]);
    }
    let late = [
        flagged(tcp(REQUEST), ACK, START + 5),
        flagged(reply, ACK, START),
    ];
    assert_eq!(summary(&late), [line("10.0.0.2:443", 1, 1)]);
}

#[test]
fn a_syn_is_remembered_when_acknowledgements_follow() {
    let samples = [
        flagged(tcp(REQUEST), SYN, START + 5),
        flagged(egress(tcp(REPLY)), SYN | ACK, START),
        flagged(tcp(REQUEST), ACK, START + 9),
    ];
    assert_eq!(summary(&samples), [line("10.0.0.1:50000", 2, 1)]);
}

#[test]
fn requests_of_icmp_are_tied_to_their_replies() {
    let v4 = ["10.0.0.1 10.0.0.2", "10.0.0.2 10.0.0.1"];
    let v6 = ["fe80::1 fe80::2", "fe80::2 fe80::1"];
    let pairs = [
        (v4, 8, 0),
        (v4, 13, 14),
        (v6, 128, 129),
        (v6, 133, 134),
        (v6, 135, 136),
    ];
    for ([there, back], request, reply) in pairs {
        // At the same moment, so that nothing but the type tells who asked.
        let samples = [
            sample(icmp(back, request), count(1, 98), START),
            sample(egress(icmp(there, reply)), count(1, 98), START),
        ];
        let [connection] = &connections(&samples)[..] else {
            panic!("{request} is not tied to {reply}");
        };
        assert_eq!(connection.icmp.map(|icmp| icmp.kind), Some(request));
        assert_eq!(connection.state, None);
    }
    // An error is no answer, and numbers of one version mean nothing in the other.
    for ([there, back], one, other) in [(v4, 3, 3), (v4, 128, 129), (v6, 8, 0), (v4, 8, 8)] {
        let samples = [
            sample(icmp(there, one), count(1, 98), START),
            sample(egress(icmp(back, other)), count(1, 98), START),
        ];
        assert_eq!(connections(&samples).len(), 2, "{one} and {other}");
    }
}

#[test]
fn a_conversation_over_loopback_is_two_connections_with_each_packet_once() {
    let keys = [REQUEST, REPLY].map(|ends| on_loopback(tcp(ends)));
    let samples: Vec<Sample> = keys
        .into_iter()
        .flat_map(|key| [key, egress(key)])
        .map(|key| sample(key, count(u64::from(key.source_port[0]), 100), START))
        .collect();
    let [from, to] = [50_000_u16, 443].map(|port| u64::from(port.to_be_bytes()[0]));
    let both = line("10.0.0.1:50000", from, to);
    assert_eq!(summary(&samples), [both.clone(), both]);
}

#[test]
fn directions_that_a_capture_does_not_tell_are_tied_all_the_same() {
    let samples = [
        flagged(tcp(REQUEST), SYN, START),
        flagged(tcp(REPLY), SYN | ACK, START),
    ];
    assert_eq!(summary(&samples), [line("10.0.0.1:50000", 1, 1)]);
}

#[test]
fn a_flow_is_in_one_connection_only() {
    let samples = [
        flagged(tcp(REQUEST), SYN, START),
        flagged(egress(tcp(REPLY)), SYN | ACK, START),
        flagged(tcp(REPLY), ACK, START),
    ];
    let expected = [line("10.0.0.1:50000", 1, 1), line("10.0.0.2:443", 1, 0)];
    assert_eq!(summary(&samples), expected);
}

#[test]
fn a_flow_that_nothing_answers_stands_alone() {
    let elsewhere = FlowKey {
        outer_vlan: [0, 5],
        ..egress(tcp(REPLY))
    };
    let samples = [
        sample(tcp(REQUEST), count(2, 200), START),
        sample(elsewhere, count(1, 1), START),
    ];
    let expected = [line("10.0.0.1:50000", 2, 0), line("10.0.0.2:443", 1, 0)];
    assert_eq!(summary(&samples), expected);
    let own_reply = "10.0.0.1:7 10.0.0.1:7";
    assert_eq!(
        summary(&[flagged(tcp(own_reply), SYN, START)]),
        [line("10.0.0.1:7", 1, 0)]
    );
}

#[test]
fn the_state_is_what_the_flags_say() {
    let table = [
        (SYN | ACK, Some(SYN | ACK), ConnectionState::Open),
        (ACK | FIN, Some(ACK), ConnectionState::Open),
        (ACK | FIN, Some(ACK | FIN), ConnectionState::Closed),
        (ACK | FIN, Some(ACK | FIN | RST), ConnectionState::Closed),
        (ACK, Some(ACK | RST), ConnectionState::Reset),
        (ACK | FIN, None, ConnectionState::Closed),
        (ACK, None, ConnectionState::Open),
    ];
    for (forward, reverse, expected) in table {
        let mut samples = vec![flagged(tcp(REQUEST), forward, START)];
        samples.extend(reverse.map(|flags| flagged(egress(tcp(REPLY)), flags, START)));
        let [connection] = &connections(&samples)[..] else {
            panic!("not one");
        };
        assert_eq!(connection.state, Some(expected), "{forward:#x} {reverse:?}");
    }
}
