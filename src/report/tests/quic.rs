//! What reports say of QUIC, whole.

use netweir_flow::quic::{
    self as flow_quic,
    layout::{Layout, Layouts},
};
use netweir_packets::quic::{
    client_hello, client_initial, crypto, server_hello, server_initial, short,
};
use netweir_wire::{map::PORT_QUIC, packet::quic::Version};
use std::sync::Arc;

use super::*;

const FIRST: &[u8] = &[0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7];
const CLIENT: &[u8] = &[0xc0, 0xc1, 0xc2, 0xc3, 0xc4];
/// By the preset `telementry`: backend 300, queue 44.
const SERVER: &[u8] = &[0x01, 0x00, 0x01, 0x2c, 0x50, 0x51, 0x52, 0x53];

/// A client and a server, and another client that nobody answers.
fn conversation() -> Vec<Vec<u8>> {
    conversation_of("netweir.example", &["h3", "h3-29"])
}

/// The same, where the client asks for this name and these protocols.
fn conversation_of(name: &str, alpn: &[&str]) -> Vec<Vec<u8>> {
    let between = |source, destination, payload: &[u8]| {
        let mut bytes = datagram(source, destination, 0);
        let length = (8 + payload.len()) as u16;
        bytes.splice(24..28, [&length.to_be_bytes()[..], &[0, 0]].concat());
        bytes.extend(payload);
        bytes
    };
    let (client, other, server) = ((1, 50_000), (1, 50_001), (2, 443));
    let hello = client_hello().server_name(name).alpn(alpn);
    let first = client_initial(Version::V1, FIRST, CLIENT).carrying(crypto(0, &hello.bytes()));
    let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER)
        .carrying(crypto(0, &server_hello(0x1301, 0x001d)));
    let hello = client_hello().bytes();
    let second = client_initial(Version::V2, FIRST, CLIENT).carrying(crypto(0, &hello));
    vec![
        between(client, server, &first),
        between(server, client, &answer),
        between(client, server, &short(SERVER, &[9; 40])),
        between(other, server, &second),
    ]
}

fn quic_meter(layouts: &[&str], max_traced: usize) -> Meter {
    quic_meter_of("eth0", &conversation(), layouts, max_traced)
}

/// A meter of datagrams at an interface.
fn quic_meter_of(
    interface: &str,
    datagrams: &[Vec<u8>],
    layouts: &[&str],
    max_traced: usize,
) -> Meter {
    let layouts = layouts
        .iter()
        .flat_map(|line| Layout::parse(line).expect("a layout"));
    let layouts = Arc::new(Layouts::new(&layouts.collect::<Vec<_>>()).expect("layouts"));
    let mut ports = Box::new(PortClasses { bits: [0; 65536] });
    ports.bits[443] = PORT_QUIC;
    let mut tally = Tally::new(ports).with_layouts(Arc::clone(&layouts));
    tally.begin_file(interface);
    for (number, bytes) in (0..).zip(datagrams) {
        tally.add(&Frame {
            interface: 0,
            link: LinkType::Ip,
            direction: Direction::Ingress,
            timestamp_ns: 1_000_000_000 + number * 1_500_000,
            wire_bytes: bytes.len() as u32,
            bytes,
        });
    }
    let settings = Settings {
        quic: flow_quic::Settings {
            layouts,
            max_traced,
            ..flow_quic::Settings::default()
        },
        ..Settings::default()
    };
    let mut meter = Meter::new(&settings, 0);
    tally.hand_over(&mut meter, 2_000_000_000);
    meter
}

#[test]
fn connections_have_a_row_each() {
    let meter = quic_meter(&["telementry port=443"], 0);
    let expected = "\
CLIENT           SERVER         VERSION  SNI              ALPN      CLIENT CID  SERVER CID        BACKEND        QUEUE               RTT  PACKETS     BYTES  CERTAINTY
192.0.2.1:50000  192.0.2.2:443  v1       netweir.example  h3 h3-29  c0c1c2c3c4  0100012c50515253  300            44     3.0 ms handshake        3  1.44 KiB  proven
192.0.2.1:50001  192.0.2.2:443  v2       -                -         c0c1c2c3c4  d0d1d2d3d4d5d6d7  client_chosen  -                     -        1  1.20 KiB  proven
";
    assert_eq!(report(By::Quic, Format::Table, &meter), expected);
    assert_eq!(
        report_of(Some(9), By::Quic, Format::Table, &meter),
        expected
    );
    let expected = "\
client_address,client_port,server_address,server_port,version,server_name,alpn,ja4,client_cid,server_cid,layout,backend,queue,undecoded,handshake_rtt_seconds,spin_rtt_seconds,packets_sent_by_client,bytes_sent_by_client,packets_sent_by_server,bytes_sent_by_server,migrations,rebindings,certainty,interface,sampling
";
    let csv = report(By::Quic, Format::Csv, &meter);
    assert!(csv.starts_with(expected), "{csv}");
    let first = csv.lines().nth(1).expect("a row");
    let expected = ",c0c1c2c3c4,0100012c50515253,telementry,300,44,,0.003000,,2,1305,1,";
    assert!(first.contains(expected), "{first}");
    let second = csv.lines().nth(2).expect("a row");
    assert!(
        second.contains(",,,,client_chosen,,,1,1228,0,0,0,0,proven,eth0,1"),
        "{second}"
    );
}

#[test]
fn names_are_cut_for_people_so_that_what_follows_is_on_the_screen() {
    let name = format!("{}.example", ["a123456789"; 5].join("."));
    let alpn = ["b".repeat(60), "c".repeat(60)];
    let alpn: Vec<&str> = alpn.iter().map(String::as_str).collect();
    let meter = quic_meter_of("eth0", &conversation_of(&name, &alpn), &[], 0);
    let cut = "a123456789.a123456789.a123456789.a12345…";
    let table = report(By::Quic, Format::Table, &meter);
    let first = table.lines().nth(1).expect("a row");
    let expected = format!("  v1       {cut}  {}…  c0c1c2c3c4  ", "b".repeat(39));
    assert!(first.contains(&expected), "{table}");
    let flows = report(By::Flow, Format::Table, &meter);
    assert!(
        flows.contains(&format!("proven     {cut}  no_layout\n")),
        "{flows}"
    );
    for format in [Format::Json, Format::Csv] {
        let all = report(By::Quic, format, &meter);
        assert!(all.contains(&name) && all.contains(alpn[1]), "{all}");
        assert!(report(By::Flow, format, &meter).contains(&name));
    }
}

#[test]
fn a_client_writes_no_formulas_into_csv() {
    let names = conversation_of("=cmd|calc!A0", &["@SUM(1)"]);
    let csv = report(
        By::Quic,
        Format::Csv,
        &quic_meter_of("eth0", &names, &[], 0),
    );
    assert!(csv.contains(",'=cmd|calc!A0,'@SUM(1),q13"), "{csv}");
}

/// A name that is none does not pass for one, to people; for programs JSON says it apart.
#[test]
fn a_name_that_is_none_is_marked() {
    for (name, shown) in [
        ("=cmd|calc!A0", "=cmd|calc!A0?"),
        ("a.example", "a.example"),
    ] {
        let meter = quic_meter_of("eth0", &conversation_of(name, &["h3"]), &[], 0);
        let table = report(By::Quic, Format::Table, &meter);
        assert!(table.contains(&format!("  {shown}  ")), "{table}");
    }
}

#[test]
fn json_of_connections_is_that_of_the_api() {
    let text = report(By::Quic, Format::Json, &quic_meter(&[], 0));
    let rows: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["server_name"], "netweir.example");
    assert_eq!(rows[0]["undecoded"], "no_layout");
    assert_eq!(rows[1]["version"], "v2");
}

#[test]
fn flows_of_a_connection_say_so_and_others_have_no_columns_for_it() {
    let meter = quic_meter(&["telementry port=443"], 0);
    let table = report(By::Flow, Format::Table, &meter);
    let (heading, rows) = table.split_once('\n').expect("rows");
    assert!(
        heading.ends_with("QUIC  CERTAINTY  SNI              BACKEND"),
        "{table}"
    );
    let rows: Vec<_> = rows.lines().collect();
    assert!(
        rows[0].ends_with("v1    proven     netweir.example  300"),
        "{table}"
    );
    assert!(
        rows[1].ends_with("v2    proven     -                client_chosen"),
        "{table}"
    );
    let csv = report(By::Connection, Format::Csv, &meter);
    assert!(
        csv.contains(",v1,proven,netweir.example,300,44,,,,\n"),
        "{csv}"
    );
    assert!(csv.contains(",v2,proven,,,,client_chosen,,,\n"), "{csv}");
    let json = report(By::Flow, Format::Json, &meter);
    assert!(
        json.contains(r#""quic":{"certainty":"proven","version":"v1""#),
        "{json}"
    );
}

#[test]
fn rates_have_a_column_where_there_are_any() {
    let mut meter = quic_meter(&[], 0);
    meter.tick(2_000_000_000);
    let table = report(By::Quic, Format::Table, &meter);
    let lines: Vec<_> = table.lines().collect();
    assert!(
        lines[0].ends_with("PACKETS     BYTES         RATE  CERTAINTY"),
        "{table}"
    );
    // 1470 and 1228 bytes in two seconds.
    assert!(
        lines[1].ends_with("3  1.44 KiB  5.88 kbit/s  proven"),
        "{table}"
    );
    assert!(
        lines[2].ends_with("1  1.20 KiB  4.91 kbit/s  proven"),
        "{table}"
    );
    meter.tick(3_000_000_000);
    assert!(!report(By::Quic, Format::Table, &meter).contains("RATE"));
}

#[test]
fn datagrams_have_a_line_each() {
    let mut meter = quic_meter(&[], 10);
    let traced = meter.take_datagrams();
    let mut text = Vec::new();
    write_datagrams(&traced, Format::Table, &mut text).expect("a vector takes everything");
    let expected = "\
1970-01-01T00:00:01.000Z eth0 in 192.0.2.1:50000 > 192.0.2.2:443 1200 bytes v1 initial dcid d0d1d2d3d4d5d6d7 scid c0c1c2c3c4: proven
1970-01-01T00:00:01.001Z eth0 in 192.0.2.2:443 > 192.0.2.1:50000 137 bytes v1 initial dcid c0c1c2c3c4 scid 0100012c50515253: proven
1970-01-01T00:00:01.004Z eth0 in 192.0.2.1:50001 > 192.0.2.2:443 1200 bytes v2 initial dcid d0d1d2d3d4d5d6d7 scid c0c1c2c3c4: proven
";
    assert_eq!(String::from_utf8(text).expect("text"), expected);
    let mut text = Vec::new();
    write_datagrams(&traced, Format::Json, &mut text).expect("a vector takes everything");
    let lines: Vec<serde_json::Value> = String::from_utf8(text)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 3);
    let expected = serde_json::json!({
        "time": "1970-01-01T00:00:01.000Z", "interface": "eth0", "ifindex": 1, "netns": 0,
        "direction": "ingress", "source_address": "192.0.2.1", "source_port": 50_000,
        "destination_address": "192.0.2.2", "destination_port": 443, "payload_bytes": 1200,
        "outcome": "proven",
        "packets": [{
            "type": "initial", "version": "v1", "dcid": "d0d1d2d3d4d5d6d7", "scid": "c0c1c2c3c4",
        }],
    });
    assert_eq!(lines[0], expected);
}

#[test]
fn an_interface_gives_the_terminal_no_orders() {
    let mut meter = quic_meter_of("q\u{1b}[31mX", &conversation(), &[], 10);
    for (by, format) in [
        (By::Interface, Format::Table),
        (By::Interface, Format::Csv),
        (By::Accounting, Format::Table),
        (By::Flow, Format::Csv),
        (By::Quic, Format::Csv),
    ] {
        let text = report(by, format, &meter);
        assert!(
            text.contains(r"q\x1b[31mX") && !text.contains('\u{1b}'),
            "{text}"
        );
    }
    let traced = meter.take_datagrams();
    let mut text = Vec::new();
    write_datagrams(&traced, Format::Table, &mut text).expect("a vector takes everything");
    let text = String::from_utf8(text).expect("text");
    assert_eq!(
        text.matches(r"Z q\x1b[31mX in 192.0.2.").count(),
        3,
        "{text}"
    );
}
