//! The API of a real `netweir run`.

use std::time::{Duration, Instant};

use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{
    Counted, Netweir, Server, Table, World, await_that, is_root, sum, table, tc_hook,
};
use netweir_wire::packet::protocol;
use rustix::process::Signal;
use serde_json::Value;

use crate::traffic::send_crafted;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn tells_what_was_counted() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--tick", "200ms"]);
    let mut expected = Table::new();
    send_crafted(&world.far, "ingress", &mut expected);
    let all: Counted = expected.values().copied().sum();
    let accounting = server.await_seen(all.packets);
    assert_eq!(accounting["balanced"], true);
    assert_eq!(Counted::of(&accounting["in_flows"]), all);
    assert_eq!(accounting["flows"], expected.len());
    assert_eq!(server.flows(), expected);

    let health = server.get("/health");
    assert_eq!(
        (&health["status"], keys(&health)),
        (&"ok".into(), vec!["status", "uptime_seconds", "version"])
    );
    check_metrics(&server, all);
    check_lists(&server, all, &expected);

    let mut stream = server.stream("/api/stream?limit=0");
    assert_eq!(stream.next("event:"), "tick");
    let tick: Value = serde_json::from_str(&stream.next("data:")).unwrap();
    assert_eq!(
        keys(&tick),
        [
            "accounting",
            "flows",
            "interfaces",
            "labels",
            "realtime",
            "summary",
            "tick"
        ]
    );
    assert_eq!(table(tick["flows"].as_array().unwrap()), expected);
    assert_eq!(tick["accounting"]["balanced"], true);
    let (status, problem) = server.ask("/api/flows?interface=w9");
    assert_eq!(
        (status, &problem["known"]),
        (404, &serde_json::json!(["w0"]))
    );
    // An open stream does not keep the program from ending.
    server.child.end(Signal::TERM).books();
}

fn check_metrics(server: &Server, all: Counted) {
    let realtime = server.get("/api/metrics/realtime");
    let expected = [
        "bandwidth_bps",
        "http_bandwidth_bps",
        "http_packets_per_sec",
        "https_bandwidth_bps",
        "https_packets_per_sec",
        "packets_per_sec",
        "tcp_bandwidth_bps",
        "tcp_packets_per_sec",
        "total_bytes",
        "total_packets",
    ];
    assert_eq!(keys(&realtime), expected);
    let summary = server.get("/api/stats/summary");
    let expected = [
        "avg_bandwidth_bps",
        "http_percentage",
        "https_percentage",
        "peak_bandwidth_bps",
        "tcp_percentage",
        "total_bytes",
        "total_packets",
        "uptime_seconds",
    ];
    assert_eq!(keys(&summary), expected);
    for answer in [realtime, summary] {
        assert_eq!(answer["total_packets"], all.packets);
        assert_eq!(answer["total_bytes"], all.bytes);
    }
}

fn check_lists(server: &Server, all: Counted, flows: &Table) {
    let interfaces = server.get("/api/interfaces");
    let interface = &interfaces["interfaces"][0];
    assert_eq!(
        (&interface["name"], &interface["hook"]),
        (&"w0".into(), &tc_hook().into())
    );
    assert_eq!(Counted::of(&interface["ingress"]["seen"]), all);
    assert_eq!(
        Counted::of(&interface["egress"]["seen"]),
        Counted::default()
    );

    let hosts = server.get("/api/hosts");
    let sent = |address: &str| {
        let hosts = hosts["hosts"].as_array().unwrap();
        let host = hosts
            .iter()
            .find(|host| host["address"] == address)
            .unwrap();
        assert_eq!(Counted::of(&host["received"]), Counted::default());
        Counted::of(&host["sent"])
    };
    assert_eq!(sent("10.0.0.1"), sum(flows, " 10.0.0.1"));
    assert_eq!(sent("2001:db8::1"), sum(flows, " 2001:db8::1"));
    assert_eq!(hosts["hosts"].as_array().unwrap().len(), 4);
}

/// A flow is there within a second of its first packet, whatever the tick: drains come four times in
/// one. The middle of five tries counts, so that a pause of a busy machine does not.
#[test]
fn shows_a_flow_within_a_second() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--tick", "1s"]);
    let mut delays = [1, 2, 3, 4, 5].map(|port| {
        let frame = ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(port, 9, &[0; 18])));
        let sent = Instant::now();
        world.far.send([frame]);
        await_that(|| {
            let flows = server.flows();
            if flows.len() == usize::from(port) {
                Ok(())
            } else {
                Err(format!("{flows:?}"))
            }
        });
        sent.elapsed()
    });
    delays.sort();
    assert!(delays[2] < Duration::from_secs(1), "{delays:?}");
    server.child.end(Signal::TERM).books();
}

#[test]
fn the_last_report_has_everything() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let fixed = [
        "--every", "1s", "--count", "2", "--format", "json", "--iface", "w0",
    ];
    for (command, last) in [("flows", 9), ("ip", 4)] {
        let call = Netweir::new([command].iter().chain(&fixed).copied()).netns(&world.near);
        let child = call.meter();
        let mut expected = Table::new();
        send_crafted(&world.far, "ingress", &mut expected);
        let ended = child.wait();
        ended.books();
        let rows = ended.output.iter().rev().take(last);
        let rows: Vec<Value> = rows
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if command == "flows" {
            assert_eq!(table(&rows), expected);
            continue;
        }
        let of = |figure: &str, address: &str| {
            let row = rows.iter().find(|row| row["address"] == address).unwrap();
            Counted::of(&row[figure])
        };
        assert_eq!(of("sent", "10.0.0.1"), sum(&expected, " 10.0.0.1"));
        assert_eq!(of("received", "10.0.0.2"), sum(&expected, " 10.0.0.1"));
        assert_eq!(of("sent", "2001:db8::1"), sum(&expected, " 2001:db8::1"));
        assert_eq!(
            of("received", "2001:db8::2"),
            sum(&expected, " 2001:db8::1")
        );
    }
}

/// Both directions of a conversation are one row.
#[test]
fn reports_connections() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let child = Netweir::flows(&world, &["--connections"]).meter();
    let mut flows = Table::new();
    crate::traffic::udp_both_ways(&world, 0, &mut flows);
    let ended = child.end(Signal::TERM);
    ended.books();
    assert_eq!(ended.output.len(), 1, "{:#?}", ended.output);
    let connection: Value = serde_json::from_str(&ended.output[0]).unwrap();
    assert_eq!(connection["initiator_address"], "10.7.0.2");
    assert_eq!(connection["responder_port"], 7000);
    assert_eq!(
        Counted::of(&connection["forward"]),
        Counted::frames(10, 142)
    );
    assert_eq!(Counted::of(&connection["reverse"]), Counted::frames(10, 52));
}
