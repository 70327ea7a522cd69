//! What a report looks like, whole.

use std::net::Ipv4Addr;

use netweir_flow::{Batch, Frame, Hook, Interface, InterfaceId, InterfaceSample, Settings, Tally};
use netweir_wire::{
    map::{Count, Direction, InterfaceCounters, InterfaceKey, PortClasses, Volume},
    packet::LinkType,
};

use super::*;

mod label;
mod quic;

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
    sampling_meter(1, frames)
}

fn sampling_meter(sampling: u32, frames: &[(u32, Vec<u8>)]) -> Meter {
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
    let settings = Settings {
        sampling,
        ..Settings::default()
    };
    let mut meter = Meter::new(&settings, 0);
    tally.hand_over(&mut meter, 2_000_000_000);
    meter
}

fn report(by: By, format: Format, meter: &Meter) -> String {
    report_of(None, by, format, meter)
}

fn arguments(top: Option<usize>, format: Format) -> ViewArgs {
    ViewArgs {
        top,
        sort: "bytes".into(),
        filter: None,
        resolve: false,
        format,
        json: false,
    }
}

/// A report of all, or one that is read in slices.
fn report_of(top: Option<usize>, by: By, format: Format, meter: &Meter) -> String {
    let view = View::new(by, &arguments(top, format)).expect("a view");
    let mut text = Vec::new();
    view.write(&view.report(&|look| look(meter), None), &mut text)
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
protocol,source_address,source_port,destination_address,destination_port,packets,frames,bytes,interface,direction,sampling,quic_version,quic_certainty,quic_server_name,quic_backend,quic_queue,quic_undecoded,label,rule,action
UDP,192.0.2.2,53,192.0.2.1,40000,1,1,1536,\"eth,0\",ingress,1,,,,,,,,,
UDP,192.0.2.1,40000,192.0.2.2,53,2,2,80,\"eth,0\",ingress,1,,,,,,,,,
";
    assert_eq!(
        report(By::Flow, Format::Csv, &meter(&conversation())),
        expected
    );
}

#[test]
fn both_ends_are_credited() {
    let expected = "\
address,packets_sent,bytes_sent,packets_received,bytes_received,sampling
192.0.2.1,2,80,1,1536,1
192.0.2.2,1,1536,2,80,1
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
    assert!(
        csv.ends_with(",2,80,1,1536,0.000,\"eth,0\",1,,,,,,,,,\n"),
        "{csv}"
    );
}

#[test]
fn csv_has_no_formulas() {
    let rows = [
        ("=cmd|calc!A0", "'=cmd|calc!A0"),
        ("@SUM(1,2)", "\"'@SUM(1,2)\""),
        ("+1+1", "'+1+1"),
        ("-1+cmd", "'-1+cmd"),
        ("-a", "'-a"),
        ("-5", "-5"),
        ("-", "-"),
        ("a=b", "a=b"),
    ];
    let cells = rows.iter().map(|(cell, _)| vec![(*cell).to_owned()]);
    let mut text = Vec::new();
    write_csv(&Cells::new(&["NAME"], cells.collect()), &mut text)
        .expect("a vector takes everything");
    let lines: Vec<&str> = rows.iter().map(|(_, line)| *line).collect();
    let expected = format!("name\n{}\n", lines.join("\n"));
    assert_eq!(String::from_utf8(text).expect("text"), expected);
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

#[test]
fn what_would_be_passed_over_is_refused() {
    let filtered = ViewArgs {
        filter: Some("tcp".into()),
        ..arguments(None, Format::Table)
    };
    for by in [By::Interface, By::Accounting] {
        assert!(View::new(by, &arguments(None, Format::Table)).is_ok());
        for args in [&arguments(Some(3), Format::Table), &filtered] {
            let error = View::new(by, args).err().expect("it is refused");
            assert!(error.to_string().contains("takes no --top and no --filter"));
        }
    }
}

#[test]
fn what_is_sampled_is_multiplied_and_marked() {
    let meter = sampling_meter(100, &conversation());
    let table = report(By::Flow, Format::Table, &meter);
    let expected = "\
sampled 1:100, scaled
PROTOCOL  SOURCE           DESTINATION      PACKETS     BYTES
UDP       192.0.2.2:53     192.0.2.1:40000      100   150 KiB
UDP       192.0.2.1:40000  192.0.2.2:53         200  7.81 KiB
";
    assert_eq!(table, expected);
    for (by, last) in [
        (By::Flow, ",200,200,8000,\"eth,0\",ingress,100,,,,,,,,,\n"),
        (
            By::Connection,
            ",200,8000,100,153600,0.000,\"eth,0\",100,,,,,,,,,\n",
        ),
        (By::Ip, "192.0.2.2,100,153600,200,8000,100\n"),
    ] {
        let csv = report(by, Format::Csv, &meter);
        assert!(csv.ends_with(last), "{csv}");
        let json = report(by, Format::Json, &meter);
        assert!(json.contains("\"sampling\":100"), "{json}");
        for format in [Format::Table, Format::Json, Format::Csv] {
            let (all, slices) = (report(by, format, &meter), Some(1000));
            assert_eq!(report_of(slices, by, format, &meter), all);
        }
    }
    // Interfaces are exact.
    for by in [By::Interface, By::Accounting] {
        assert!(!report(by, Format::Table, &meter).contains("1:100"));
    }
}

/// `eth0` with all that a packet can come to: on its way in balanced, on its way out not.
fn accounted() -> Meter {
    let volume = |packets| Volume {
        packets,
        bytes: packets * 1024,
    };
    let count = |packets| Count {
        packets,
        frames: packets,
        bytes: packets * 1024,
    };
    let mut counters = InterfaceCounters {
        seen: count(100),
        counted: count(50),
        filtered: volume(30),
        sampled: volume(15),
        ..InterfaceCounters::ZERO
    };
    counters.lost = [volume(4), volume(1), Volume::ZERO];
    let id = InterfaceId {
        netns: 1,
        ifindex: 2,
    };
    let of = |direction: Direction, counters| InterfaceSample {
        key: InterfaceKey {
            netns: 1,
            ifindex: 2,
            direction: direction as u32,
        },
        counters,
    };
    let mut meter = Meter::new(&Settings::default(), 0);
    meter.add_interface(Interface {
        id,
        name: "eth0".into(),
        netns_name: None,
        hook: Hook::Tcx,
        loopback: false,
        link: None,
        present: true,
    });
    let ingress = of(Direction::Ingress, counters);
    counters = InterfaceCounters {
        seen: count(3),
        counted: count(2),
        ..InterfaceCounters::ZERO
    };
    meter.apply(&Batch {
        interfaces: vec![ingress, of(Direction::Egress, counters)],
        ..Batch::default()
    });
    meter
}

#[test]
fn the_accounting_says_where_every_packet_went() {
    let expected = "\
INTERFACE  DIR  HOOK           SEEN        COUNTED       FILTERED        SAMPLED                                           LOST      IN FLIGHT  VERDICT
eth0       in   tcx   100 (100 KiB)  50 (50.0 KiB)  30 (30.0 KiB)  15 (15.0 KiB)  5 (5.00 KiB): flow_map_busy 1 flow_map_full 4  50 (50.0 KiB)  balanced
eth0       out  tcx    3 (3.00 KiB)   2 (2.00 KiB)        0 (0 B)        0 (0 B)                                        0 (0 B)   2 (2.00 KiB)  off by 1 packets, 1024 bytes
";
    assert_eq!(
        report(By::Accounting, Format::Table, &accounted()),
        expected
    );
    let expected = "\
interface,direction,hook,seen_packets,seen_bytes,counted_packets,counted_bytes,filtered_packets,filtered_bytes,sampled_packets,sampled_bytes,lost_packets,lost_bytes,lost_by_reason,in_flight_packets,in_flight_bytes,balanced,dropped_packets,dropped_bytes,spared_packets,spared_bytes
eth0,ingress,tcx,100,102400,50,51200,30,30720,15,15360,5,5120,flow_map_busy 1 flow_map_full 4,50,51200,true,0,0,0,0
eth0,egress,tcx,3,3072,2,2048,0,0,0,0,0,0,,2,2048,false,0,0,0,0
";
    assert_eq!(report(By::Accounting, Format::Csv, &accounted()), expected);
    let json = report(By::Accounting, Format::Json, &accounted());
    let rows: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["hook"], "tcx");
    assert_eq!(rows[0]["filtered"]["packets"], 30);
    assert_eq!(rows[1]["kernel_difference"]["bytes"], 1024);
}
