//! What `/api/quic` answers.

#![expect(clippy::unwrap_used, reason = "a failure shall say where it is")]
#![recursion_limit = "256"]

mod common;

use axum::http::StatusCode;
use common::{Server, empty_meter, interface};
use netweir_flow::{
    Frame, Meter, Settings, Tally,
    quic::{
        self,
        layout::{Layout, Layouts},
    },
};
use netweir_packets::{
    frame::{ipv4, udp},
    quic::{client_hello, client_initial, crypto, server_hello, server_initial, short},
};
use netweir_wire::{
    map::{Direction, PORT_QUIC, PortClasses},
    packet::{LinkType, quic::Version},
};
use serde_json::{Value, json};
use std::sync::Arc;

const FIRST: &[u8] = &[0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7];
const CLIENT: &[u8] = &[0xc0, 0xc1, 0xc2, 0xc3, 0xc4];
/// By the preset `telementry`: backend 300, queue 44.
const SERVER: &[u8] = &[0x01, 0x00, 0x01, 0x2c, 0x50, 0x51, 0x52, 0x53];
/// 2026-01-01T00:00:00Z.
const START_NS: u64 = 1_767_225_600_000_000_000;

/// The datagrams of a client, of its server, and of somebody whom nobody answers.
fn frames() -> Vec<Vec<u8>> {
    let to_server = |port, payload: &[u8]| ipv4(17).carrying(udp(port, 443, payload));
    let to_client = |payload: &[u8]| {
        let packet = ipv4(17).between("10.0.0.2", "10.0.0.1");
        packet.carrying(udp(443, 50_000, payload))
    };
    let hello = client_hello()
        .server_name("netweir.example")
        .alpn(&["h3"])
        .transport_parameters(&[(1, &[0x40, 0x64])]);
    let first = client_initial(Version::V1, FIRST, CLIENT).carrying(crypto(0, &hello.bytes()));
    let answer = server_initial(Version::V1, FIRST, CLIENT, SERVER)
        .carrying(crypto(0, &server_hello(0x1301, 0x001d)));
    let other = client_initial(Version::V2, FIRST, CLIENT);
    let other = other.carrying(crypto(0, &client_hello().bytes()));
    vec![
        to_server(50_000, &first),
        to_client(&answer),
        to_server(50_000, &short(SERVER, &[9; 40])),
        to_server(50_001, &other),
        to_server(50_002, &[0x13; 5]),
    ]
}

fn meter() -> Meter {
    meter_of("telementry port=443")
}

fn meter_of(layout: &str) -> Meter {
    let layouts = Layout::parse(layout).unwrap();
    let layouts = Arc::new(Layouts::new(&layouts).unwrap());
    let mut ports = Box::new(PortClasses { bits: [0; 65536] });
    ports.bits[443] = PORT_QUIC;
    let mut tally = Tally::new(ports).with_layouts(Arc::clone(&layouts));
    tally.begin_file("eth0");
    for (number, bytes) in (0..).zip(frames()) {
        tally.add(&Frame {
            interface: 0,
            link: LinkType::Ip,
            direction: Direction::Ingress,
            timestamp_ns: START_NS + number * 10_000_000,
            wire_bytes: bytes.len() as u32,
            bytes: &bytes,
        });
    }
    let settings = Settings {
        quic: quic::Settings {
            layouts,
            ..quic::Settings::default()
        },
        ..Settings::default()
    };
    let mut meter = Meter::new(&settings, START_NS);
    tally.hand_over(&mut meter, START_NS + 1_000_000_000);
    meter.add_interface(interface(7, "eth7"));
    meter
}

async fn get(path: &str) -> Value {
    let answer = Server::of(meter()).get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

fn count(packets: u64, bytes: u64) -> Value {
    json!({ "packets": packets, "frames": packets, "bytes": bytes })
}

#[tokio::test]
async fn a_connection_tells_all_that_is_known() {
    let answer = get("/api/quic?sort=first&order=asc").await;
    let spin = json!({
        "state": "too_few", "rtt_seconds": null, "min_seconds": null, "mean_seconds": null, "max_seconds": null,
        "turns": 0, "packets": 0,
    });
    // No tick has ended yet.
    let silent = json!({ "bandwidth_bps": 0.0, "packets_per_sec": 0.0 });
    let cid = |cid: &str, origin: &str, certainty: &str, time: &str| {
        let first_seen = format!("2026-01-01T00:00:00.{time}Z");
        json!({ "cid": cid, "origin": origin, "certainty": certainty, "first_seen": first_seen })
    };
    let ja4 = answer["connections"][0]["ja4"].clone();
    assert!(ja4.as_str().unwrap().starts_with("q13d0304h3_"), "{ja4}");
    let expected = json!({
        "interface": "eth0", "ifindex": 1, "netns": 0, "vlans": [],
        "client_address": "10.0.0.1", "client_port": 50000,
        "server_address": "10.0.0.2", "server_port": 443,
        "certainty": "proven", "roles_certainty": "proven",
        "version": "v1", "version_number": 1, "first_version": "v1", "offered_versions": [],
        "server_name": "netweir.example", "alpn": ["h3"], "ja4": ja4,
        "transport_parameters": [
            { "id": 1, "name": "max_idle_timeout", "value": "4064", "integer": 100 },
        ],
        "hello": "read", "hello_cut": false, "server_name_malformed": false,
        "client_cids": [cid("c0c1c2c3c4", "source", "proven", "000")],
        "server_cids": [
            cid("d0d1d2d3d4d5d6d7", "client_first", "proven", "000"),
            cid("0100012c50515253", "source", "proven", "010"),
        ],
        "layout": "telementry", "backend": 300, "backend_hex": "0x12c", "queue": 44,
        "queue_hex": "0x2c", "undecoded": null,
        "fields": {
            "format": 1, "flags": 0, "backend": 300, "salt": 0x5051_5253_u32, "queue": 44,
        },
        "backend_certainty": "proven",
        "retry": false, "zero_rtt": false, "closed": null,
        "handshake": {
            "rtt_seconds": 0.02, "to_server_seconds": 0.01, "to_client_seconds": 0.01,
            "client_datagrams": 1,
        },
        "client_spin": spin, "server_spin": spin,
        "packets": 3, "frames": 3, "bytes": 1470, "bandwidth_bps": 0.0, "packets_per_sec": 0.0,
        "client_sent": count(2, 1305), "server_sent": count(1, 165),
        "client_rate": silent, "server_rate": silent,
        "migrations": 0, "rebindings": 0, "moves": [], "shares_path": false,
        "first_seen": "2026-01-01T00:00:00.000Z", "last_seen": "2026-01-01T00:00:00.020Z",
        "duration_seconds": 0.02, "sampling": 1,
    });
    assert_eq!(answer["connections"][0], expected);
    let other = &answer["connections"][1];
    assert_eq!(other["version"], "v2");
    assert_eq!(other["undecoded"], "client_chosen");
    assert_eq!(answer["connections"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn rates_are_of_the_last_tick() {
    let mut meter = meter();
    meter.tick(START_NS + 2_000_000_000);
    let answer = Server::of(meter).get("/api/quic?sort=rate&limit=1").await;
    let connection = &answer.json()["connections"][0];
    let rate = |of: &Value| (of["bandwidth_bps"].clone(), of["packets_per_sec"].clone());
    assert_eq!(rate(connection), (json!(1470.0 * 8.0 / 2.0), json!(1.5)));
    let server = rate(&connection["server_rate"]);
    assert_eq!(server, (json!(165.0 * 8.0 / 2.0), json!(0.5)));
}

#[tokio::test]
async fn shares_are_told() {
    let answer = get("/api/quic").await;
    assert_eq!(answer["enabled"], true);
    let traffic = |client: Value, server: Value| json!({ "connections": 1, "client_sent": client, "server_sent": server });
    let with = |mut share: Value, more: Value| {
        share
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        share
    };
    let first = || traffic(count(2, 1305), count(1, 165));
    let second = traffic(count(1, 1228), count(0, 0));
    assert_eq!(
        answer["versions"],
        json!([
            with(first(), json!({ "version": "v1", "version_number": 1 })),
            with(
                second,
                json!({ "version": "v2", "version_number": 0x6b33_43cf_u32 })
            ),
        ])
    );
    let place = |number, hex| {
        let place = json!({ "layout": "telementry", "number": number, "number_hex": hex });
        json!([with(first(), place)])
    };
    assert_eq!(answer["backends"], place(300, "0x12c"));
    assert_eq!(answer["queues"], place(44, "0x2c"));
    let counted = json!([
        {
            "layout": "telementry", "backend": 300, "backend_hex": "0x12c", "queue": 44,
            "queue_hex": "0x2c", "packets": 1, "bytes": 49,
        },
    ]);
    assert_eq!(answer["counted"], counted);
}

/// Many readers of JSON, browsers too, keep 53 bits of a number.
#[tokio::test]
async fn numbers_of_64_bits_have_all_their_digits() {
    let layout = "custom port=443 length=8 backend=0:64 queue=backend";
    let server = Server::of(meter_of(layout));
    let quic = server.get("/api/quic").await.json();
    let all = "0x100012c50515253";
    for place in [&quic["connections"][0], &quic["counted"][0]] {
        assert_eq!(
            (&place["backend_hex"], &place["queue_hex"]),
            (&json!(all), &json!(all))
        );
    }
    for list in ["backends", "queues"] {
        assert_eq!(quic[list][0]["number_hex"], all, "{list}");
    }
    let flows = server.get("/api/flows?filter=port+50000").await.json();
    assert_eq!(flows["flows"][0]["quic"]["backend_hex"], all);
    // The page takes its numbers from there.
    let page = server.get("/app.js").await.text;
    assert!(page.contains("exact(one.backend_hex)") && page.contains("exact(one.queue_hex)"));
    assert!(!page.contains("one.backend ") && !page.contains("one.queue "));
}

#[tokio::test]
async fn everything_is_accounted_for() {
    let answer = get("/api/quic").await;
    let books = &answer["accounting"];
    for (name, expected) in [
        ("long", 3),
        ("short", 2),
        ("decoded", 1),
        ("no_room", 0),
        ("events", 5),
        ("live_connections", 2),
        ("live_guesses", 0),
        ("ended_connections", 0),
        ("backends", 1),
    ] {
        assert_eq!(books[name], expected, "{name}");
    }
    assert_eq!(books["told"], json!({ "long": 3, "short": 2, "spin": 0 }));
    assert_eq!(
        books["lost"],
        json!({ "flow_limit": 0, "cpu_limit": 0, "ring_full": 0, "unreadable": 0 })
    );
    assert_eq!(books["undecoded"]["length"], 1);
    assert_eq!(books["outcomes"]["proven"], 3);
    assert_eq!(books["outcomes"]["matched"], 1);
    assert_eq!(books["outcomes"]["not_quic"], 1);
    assert_eq!(books["resemblances"]["no_fixed_bit"], 1);
    assert_eq!(books["limits"]["connections"], 0);
    for gone in ["backends_full", "backends_forgotten"] {
        assert_eq!(books[gone], json!({ "packets": 0, "bytes": 0 }), "{gone}");
    }
    assert_eq!(books["received"], count(5, 2731));
    assert_eq!(books["live"], count(4, 2698));
    assert_eq!(books["unclaimed"], count(1, 33));
}

#[tokio::test]
async fn parameters_choose_connections_and_cut_lists() {
    for (query, expected) in [
        ("?limit=1", vec![50_000]),
        ("?limit=0", vec![50_000, 50_001]),
        ("?filter=src+port+50001", vec![50_001]),
        (
            "?interface=eth0&sort=source&order=desc",
            vec![50_001, 50_000],
        ),
        ("?interface=eth7", vec![]),
    ] {
        let answer = get(&format!("/api/quic{query}")).await;
        let connections = answer["connections"].as_array().unwrap();
        let ports: Vec<_> = connections
            .iter()
            .map(|one| one["client_port"].as_u64().unwrap())
            .collect();
        assert_eq!(ports, expected, "{query}");
    }
    assert_eq!(
        get("/api/quic?limit=1").await["versions"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let server = Server::of(meter());
    for (query, status) in [
        ("?interface=eth9", StatusCode::NOT_FOUND),
        ("?filter=tcp+and", StatusCode::BAD_REQUEST),
        ("?x=1", StatusCode::BAD_REQUEST),
    ] {
        let answer = server.get(&format!("/api/quic{query}")).await;
        assert_eq!(answer.status, status, "{query}");
    }
}

#[tokio::test]
async fn flows_and_connections_have_a_summary() {
    let summary = json!({
        "certainty": "proven", "version": "v1", "server_name": "netweir.example",
        "backend": 300, "backend_hex": "0x12c", "queue": 44, "queue_hex": "0x2c",
        "undecoded": null,
    });
    let flows = get("/api/flows?filter=port+50000").await;
    for flow in flows["flows"].as_array().unwrap() {
        assert_eq!(flow["quic"], summary);
    }
    let connections = get("/api/connections?filter=port+50001").await;
    assert_eq!(
        connections["connections"][0]["quic"]["undecoded"],
        "client_chosen"
    );
    // What is none has no key.
    let flows = get("/api/flows?filter=port+50002").await;
    assert_eq!(flows["flows"][0].get("quic"), None);
}

#[tokio::test]
async fn without_quic_there_are_empty_lists() {
    let settings = Settings {
        quic: quic::Settings {
            connections: quic::connection::Settings {
                ports: vec![],
                ..quic::connection::Settings::default()
            },
            ..quic::Settings::default()
        },
        ..Settings::default()
    };
    let off = Server::of(Meter::new(&settings, 0))
        .get("/api/quic")
        .await
        .json();
    let nothing_yet = Server::of(empty_meter()).get("/api/quic").await.json();
    assert_eq!(
        (&off["enabled"], &nothing_yet["enabled"]),
        (&json!(false), &json!(true))
    );
    for list in ["connections", "versions", "backends", "queues", "counted"] {
        assert_eq!((&off[list], &nothing_yet[list]), (&json!([]), &json!([])));
    }
    assert_eq!(off["accounting"]["events"], 0);
}
