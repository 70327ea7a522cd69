//! What a report looks like, whole.

use std::net::Ipv4Addr;

use netweir_flow::{Frame, Settings, Tally};
use netweir_wire::{
    map::{Direction, PortClasses},
    packet::LinkType,
};

use super::*;

/// A UDP datagram of 28 bytes and `payload` more between two hosts of 192.0.2.0/24.
fn datagram(source: (u8, u16), destination: (u8, u16), payload: usize) -> Vec<u8> {
    let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    for (host, _) in [source, destination] {
        bytes.extend(Ipv4Addr::new(192, 0, 2, host).octets());
    }
    for (_, port) in [source, destination] {
        bytes.extend(port.to_be_bytes());
    }
    bytes.resize(28 + payload, 0);
    bytes
}

fn meter(frames: &[(u32, Vec<u8>)]) -> Meter {
    let mut tally = Tally::new(Box::new(PortClasses { bits: [0; 65536] }));
    tally.begin_file("eth,0");
    for (interface, bytes) in frames {
        tally.add(&Frame {
            interface: *interface,
            link: LinkType::Ip,
            direction: Direction::Ingress,
            timestamp_ns: 1_000_000_000,
            wire_bytes: bytes.len() as u32,
            bytes,
        });
    }
    let mut meter = Meter::new(&Settings::default(), 0);
    tally.hand_over(&mut meter, 2_000_000_000);
    meter
}

fn report(by: By, format: Format, meter: &Meter) -> String {
    let args = ViewArgs {
        top: None,
        sort: "bytes".into(),
        filter: None,
        resolve: false,
        format,
    };
    let view = View::new(by, &args).expect("a view");
    let mut text = Vec::new();
    view.write(&view.rows(&|look| look(meter), None), &mut text)
        .expect("a vector takes everything");
    String::from_utf8(text).expect("text")
}

fn conversation() -> Vec<(u32, Vec<u8>)> {
    vec![
        (0, datagram((1, 40_000), (2, 53), 12)),
        (0, datagram((2, 53), (1, 40_000), 1508)),
        (0, datagram((1, 40_000), (2, 53), 12)),
    ]
}

#[test]
fn a_table_is_sorted_by_bytes_and_aligned() {
    let expected = "\
PROTOCOL  SOURCE           DESTINATION      PACKETS     BYTES
UDP       192.0.2.2:53     192.0.2.1:40000        1  1.50 KiB
UDP       192.0.2.1:40000  192.0.2.2:53           2      80 B
";
    assert_eq!(
        report(By::Flow, Format::Table, &meter(&conversation())),
        expected
    );
}

#[test]
fn a_flow_of_two_interfaces_says_where_it_was_seen() {
    let frame = datagram((1, 40_000), (2, 53), 12);
    let table = report(
        By::Flow,
        Format::Table,
        &meter(&[(0, frame.clone()), (1, frame)]),
    );
    let expected = "\
PROTOCOL  SOURCE           DESTINATION   PACKETS  BYTES  INTERFACE  DIRECTION
UDP       192.0.2.1:40000  192.0.2.2:53        1   40 B  eth,0      ingress
UDP       192.0.2.1:40000  192.0.2.2:53        1   40 B  eth,0#1    ingress
";
    assert_eq!(table, expected);
}

#[test]
fn csv_has_plain_numbers_and_quotes_what_needs_it() {
    let expected = "\
protocol,source_address,source_port,destination_address,destination_port,packets,frames,bytes,interface,direction
UDP,192.0.2.2,53,192.0.2.1,40000,1,1,1536,\"eth,0\",ingress
UDP,192.0.2.1,40000,192.0.2.2,53,2,2,80,\"eth,0\",ingress
";
    assert_eq!(
        report(By::Flow, Format::Csv, &meter(&conversation())),
        expected
    );
}

#[test]
fn both_ends_are_credited() {
    let expected = "\
address,packets_sent,bytes_sent,packets_received,bytes_received
192.0.2.1,2,80,1,1536
192.0.2.2,1,1536,2,80
";
    assert_eq!(
        report(By::Ip, Format::Csv, &meter(&conversation())),
        expected
    );
}

#[test]
fn a_conversation_is_one_row() {
    let csv = report(By::Connection, Format::Csv, &meter(&conversation()));
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.ends_with(",2,80,1,1536,0.000,\"eth,0\"\n"), "{csv}");
}

#[test]
fn json_is_one_object_a_line() {
    let text = report(By::Flow, Format::Json, &meter(&conversation()));
    let rows: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let bytes: Vec<_> = rows.iter().map(|row| row["bytes"].as_u64()).collect();
    assert_eq!(bytes, [Some(1536), Some(80)]);
}
