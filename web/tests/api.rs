//! Whole answers of the paths under `/api`.

mod common;

use axum::http::StatusCode;
use common::{Server, empty_meter, meter, sampled_meter};
use serde_json::{Value, json};

#[tokio::test]
async fn realtime_has_these_keys_and_no_others() {
    let answer = Server::of(meter()).get("/api/metrics/realtime").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(
        answer.json(),
        json!({
            "bandwidth_bps": 6568.0, "packets_per_sec": 8.5,
            "tcp_bandwidth_bps": 6000.0, "tcp_packets_per_sec": 7.5,
            "http_bandwidth_bps": 0.0, "http_packets_per_sec": 0.0,
            "https_bandwidth_bps": 6000.0, "https_packets_per_sec": 7.5,
            "total_packets": 17, "total_bytes": 1642,
        })
    );
}

#[tokio::test]
async fn summary_has_these_keys_and_no_others() {
    let answer = Server::of(meter())
        .get("/api/stats/summary?interface=eth0")
        .await;
    let percentage = 1500.0 * 100.0 / 1600.0;
    assert_eq!(
        answer.json(),
        json!({
            "uptime_seconds": 2, "avg_bandwidth_bps": 6400.0, "peak_bandwidth_bps": 6400.0,
            "total_packets": 16, "total_bytes": 1600,
            "tcp_percentage": percentage, "http_percentage": 0.0, "https_percentage": percentage,
        })
    );
}

#[tokio::test]
async fn an_empty_meter_has_zeros() {
    let server = Server::of(empty_meter());
    for path in ["/api/metrics/realtime", "/api/stats/summary"] {
        let json = server.get(path).await.json();
        for (name, value) in json.as_object().unwrap() {
            assert_eq!(value.as_f64(), Some(0.0), "{path} {name}");
        }
    }
    for path in ["flows", "connections", "hosts", "interfaces"] {
        let answer = server.get(&format!("/api/{path}")).await;
        assert_eq!(answer.json(), json!({ path: [] }));
    }
}

#[tokio::test]
async fn flows_tell_all_that_is_known() {
    let answer = Server::of(meter())
        .get("/api/flows?filter=in&sort=bytes&limit=0")
        .await;
    let opening = json!({
        "interface": "eth0", "ifindex": 2, "netns": 9, "direction": "ingress",
        "protocol": "TCP", "protocol_number": 6, "ethertype": 2048,
        "source_address": "10.0.0.1", "source_port": 50000,
        "destination_address": "10.0.0.2", "destination_port": 443,
        "vlans": [7], "packets": 10, "frames": 10, "bytes": 1000,
        "bandwidth_bps": 4000.0, "packets_per_sec": 5.0,
        "first_seen": "2026-01-01T00:00:01.000Z", "last_seen": "2026-01-01T00:00:01.500Z",
        "duration_seconds": 0.5, "source_mac": "02:00:00:00:00:01", "destination_mac": null,
        "tcp_flags": "SYN|ACK", "tcp_flags_number": 18, "dscp": 46,
        "first_fragment": false, "later_fragment": false, "icmp_type": null, "icmp_code": null,
        "sampling": 1, "label": null, "rule": null, "action": null,
    });
    let arp = json!({
        "interface": "eth1", "ifindex": 3, "netns": 9, "direction": "ingress",
        "protocol": "ARP", "protocol_number": null, "ethertype": 2054,
        "source_address": "02:00:00:00:00:01", "source_port": null,
        "destination_address": "ff:ff:ff:ff:ff:ff", "destination_port": null,
        "vlans": [], "packets": 1, "frames": 1, "bytes": 42,
        "bandwidth_bps": 168.0, "packets_per_sec": 0.5,
        "first_seen": "2026-01-01T00:00:01.000Z", "last_seen": "2026-01-01T00:00:01.500Z",
        "duration_seconds": 0.5, "source_mac": "02:00:00:00:00:01", "destination_mac": null,
        "tcp_flags": null, "tcp_flags_number": null, "dscp": null,
        "first_fragment": false, "later_fragment": false, "icmp_type": null, "icmp_code": null,
        "sampling": 1, "label": null, "rule": null, "action": null,
    });
    assert_eq!(answer.json(), json!({ "flows": [opening, arp] }));
}

#[tokio::test]
async fn parameters_choose_and_order_flows() {
    let server = Server::of(meter());
    let cases = [
        ("", vec![1000, 500, 42]),
        ("?order=asc", vec![42, 500, 1000]),
        ("?limit=1&sort=packets", vec![1000]),
        ("?interface=eth1&filter=", vec![42]),
        ("?filter=tcp+and+out", vec![500]),
        ("?filter=port%20443&limit=0&order=asc", vec![500, 1000]),
    ];
    for (query, expected) in cases {
        let json = server.get(&format!("/api/flows{query}")).await.json();
        let bytes = |flow: &Value| flow["bytes"].as_u64().unwrap();
        let found: Vec<_> = json["flows"]
            .as_array()
            .unwrap()
            .iter()
            .map(bytes)
            .collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn connections_have_both_directions() {
    let answer = Server::of(meter()).get("/api/connections?filter=tcp").await;
    let connection = json!({
        "interface": "eth0", "ifindex": 2, "netns": 9,
        "protocol": "TCP", "protocol_number": 6, "ethertype": 2048,
        "initiator_address": "10.0.0.1", "initiator_port": 50000,
        "responder_address": "10.0.0.2", "responder_port": 443, "vlans": [7],
        "forward": { "packets": 10, "frames": 10, "bytes": 1000,
            "bandwidth_bps": 4000.0, "packets_per_sec": 5.0 },
        "reverse": { "packets": 5, "frames": 5, "bytes": 500,
            "bandwidth_bps": 2000.0, "packets_per_sec": 2.5 },
        "first_seen": "2026-01-01T00:00:01.000Z", "last_seen": "2026-01-01T00:00:01.500Z",
        "duration_seconds": 0.5, "icmp_type": null, "icmp_code": null, "state": "open",
        "sampling": 1, "label": null, "rule": null, "action": null,
    });
    assert_eq!(answer.json(), json!({ "connections": [connection] }));
}

#[tokio::test]
async fn hosts_have_what_they_sent_and_received() {
    let answer = Server::of(meter())
        .get("/api/hosts?filter=host+10.0.0.2")
        .await;
    let host = json!({
        "address": "10.0.0.2",
        "sent": { "packets": 5, "frames": 5, "bytes": 500,
            "bandwidth_bps": 2000.0, "packets_per_sec": 2.5 },
        "received": { "packets": 10, "frames": 10, "bytes": 1000,
            "bandwidth_bps": 4000.0, "packets_per_sec": 5.0 },
        "first_seen": "2026-01-01T00:00:01.000Z", "last_seen": "2026-01-01T00:00:01.500Z",
        "sampling": 1,
    });
    assert_eq!(answer.json(), json!({ "hosts": [host] }));
}

#[tokio::test]
async fn interfaces_have_directions_and_classes() {
    let answer = Server::of(meter())
        .get("/api/interfaces?interface=eth0")
        .await;
    let mut json = answer.json();
    let interface = &mut json["interfaces"][0];
    let ingress = interface["ingress"].take();
    interface["egress"].take();
    let rate = json!({ "bandwidth_bps": 6400.0, "packets_per_sec": 8.0 });
    assert_eq!(
        json,
        json!({ "interfaces": [{
            "name": "eth0", "ifindex": 2, "netns": 9, "netns_name": null, "hook": "tcx",
            "loopback": false, "link": "ethernet", "present": true, "rate": rate, "peak": rate,
            "ingress": null, "egress": null,
        }] })
    );
    let count = |packets, bytes| json!({ "packets": packets, "frames": packets, "bytes": bytes });
    assert_eq!(ingress["seen"], count(11, 1100));
    assert_eq!(ingress["counted"], count(10, 1000));
    assert_eq!(
        ingress["lost"]["flow_map_full"],
        json!({ "packets": 1, "bytes": 100 })
    );
    assert_eq!(
        ingress["classes"]["https"],
        json!({ "packets": 10, "bytes": 1000, "bandwidth_bps": 4000.0, "packets_per_sec": 5.0 })
    );
    assert_eq!(ingress["classes"].as_object().unwrap().len(), 12);
    assert_eq!(ingress["problems"].as_object().unwrap().len(), 9);
}

#[tokio::test]
async fn accounting_is_balanced() {
    let mut json = Server::of(meter())
        .get("/api/accounting?interface=eth1")
        .await
        .json();
    let lines = json["interfaces"].take();
    let volume = |packets, bytes| json!({ "packets": packets, "bytes": bytes });
    let count = |packets, bytes| json!({ "packets": packets, "frames": packets, "bytes": bytes });
    let (none, nothing) = (volume(0, 0), count(0, 0));
    assert_eq!(
        json,
        json!({
            "balanced": true, "sampling": 1,
            "seen": volume(17, 1642), "counted": volume(16, 1542),
            "filtered": none, "sampled": none, "lost": volume(1, 100),
            "lost_by_reason": { "flow_map_full": volume(1, 100), "flow_map_busy": none, "ring_full": none },
            "dropped": none, "spared": none,
            "kernel_difference": none, "in_flight": none, "received": count(16, 1542),
            "in_flows": count(16, 1542), "table_full": nothing, "malformed": nothing,
            "table_difference": none, "unlisted": nothing, "mislabelled": nothing,
            "heads": { "drawn": 0, "told": 0, "lost": 0, "passed_over": 0, "received": 0,
                "tapped": 0, "malformed": 0, "kept": 0,
                "lost_by_reason": { "over_allowance": 0, "ring_full": 0, "unreadable": 0 } },
            "strays": { "interface_map_full": none, "unreadable": none },
            "hosts_full": none, "interfaces_passed_over": 0, "flows": 3, "hosts": 2,
            "interfaces": null, "inline": [],
        })
    );
    assert_eq!(lines.as_array().unwrap().len(), 2);
    assert_eq!(lines[0]["interface"], "eth1");
    assert_eq!(lines[0]["direction"], "ingress");
    assert_eq!(lines[0]["hook"], "tcx");
    assert_eq!(lines[0]["seen"], count(1, 42));
}

#[tokio::test]
async fn what_is_left_out_is_told_and_what_is_multiplied_says_so() {
    let server = Server::of(sampled_meter());
    let accounting = server.get("/api/accounting?interface=eth1").await.json();
    let volume = |packets, bytes| json!({ "packets": packets, "bytes": bytes });
    let egress = &accounting["interfaces"][1];
    for told in [&accounting, egress] {
        assert_eq!(told["balanced"], true);
        assert_eq!(told["filtered"], volume(4, 400));
        assert_eq!(told["sampled"], volume(5, 600));
    }
    assert_eq!(egress["seen"]["packets"], 9);
    assert_eq!(accounting["sampling"], 100);
    assert_eq!(accounting["in_flows"]["packets"], 16);
    let flows = server.get("/api/flows?limit=1").await.json();
    let flow = &flows["flows"][0];
    assert_eq!(
        (&flow["packets"], &flow["sampling"]),
        (&json!(1000), &json!(100))
    );
    assert_eq!(flow["packets_per_sec"], 500.0);
    let interfaces = server.get("/api/interfaces?interface=eth1").await.json();
    let egress = &interfaces["interfaces"][0]["egress"];
    assert_eq!(
        (&egress["seen"]["packets"], &egress["filtered"]),
        (&json!(9), &volume(4, 400))
    );
    assert_eq!(egress["sampled"], volume(5, 600));
}
