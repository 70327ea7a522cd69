//! Labels, and heads of packets.

mod common;

use axum::http::StatusCode;
use common::{Server, labelled_meter, meter};
use serde_json::{Value, json};

fn volume(packets: u64, bytes: u64) -> Value {
    json!({ "packets": packets, "bytes": bytes })
}

#[tokio::test]
async fn each_label_has_what_was_counted_under_it() {
    let answer = Server::of(labelled_meter()).get("/api/labels").await;
    let row = |head: Value, (packets, bytes): (u64, u64), dropped: Value| {
        let mut row = json!({
            "packets": packets, "frames": packets, "bytes": bytes,
            "bandwidth_bps": bytes as f64 * 4.0, "packets_per_sec": packets as f64 / 2.0,
            "dropped": dropped, "spared": volume(0, 0), "flows": 1,
            "last_seen": "2026-01-01T00:00:01.500Z", "sampling": 1,
        });
        let members = row.as_object_mut().unwrap();
        members.extend(head.as_object().unwrap().clone());
        row
    };
    let payments = json!({ "label": "payments", "id": 7, "rules": [] });
    let suspect = json!({ "label": "suspect", "id": 8, "rules": [2, 3] });
    let nothing = json!({ "label": null, "id": null, "rules": [] });
    let expected = json!({ "labels": [
        row(payments, (10, 1000), volume(0, 0)),
        row(suspect, (5, 500), volume(5, 500)),
        row(nothing, (1, 42), volume(0, 0)),
    ] });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn parameters_order_labels() {
    let server = Server::of(labelled_meter());
    let (payments, suspect, none) = (json!("payments"), json!("suspect"), Value::Null);
    for (query, expected) in [
        ("?sort=label&order=asc", vec![&none, &payments, &suspect]),
        ("?order=asc&limit=2", vec![&none, &suspect]),
        ("?sort=rate&limit=1", vec![&payments]),
        ("?sort=last&limit=0", vec![&none, &payments, &suspect]),
    ] {
        let json = server.get(&format!("/api/labels{query}")).await.json();
        let labels = json["labels"].as_array().unwrap();
        let names: Vec<_> = labels.iter().map(|row| &row["label"]).collect();
        assert_eq!(names, expected, "{query}");
    }
    for query in ["?sort=colour", "?limit=x", "?filter=tcp", "?order=up"] {
        let answer = server.get(&format!("/api/labels{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn flows_and_connections_bear_labels() {
    let server = Server::of(labelled_meter());
    for (query, expected) in [
        ("?label=payments", vec![1000]),
        ("?label=", vec![42]),
        ("?label=suspect&filter=in", vec![]),
        ("?label=suspect&filter=tcp+or+arp", vec![500]),
        ("?filter=not+label+payments", vec![500, 42]),
        ("?filter=rule+2", vec![500]),
        ("?sort=label", vec![500, 1000, 42]),
    ] {
        let json = server.get(&format!("/api/flows{query}")).await.json();
        let flows = json["flows"].as_array().unwrap();
        let bytes: Vec<_> = flows
            .iter()
            .map(|it| it["bytes"].as_u64().unwrap())
            .collect();
        assert_eq!(bytes, expected, "{query}");
    }
    let json = server.get("/api/flows?label=suspect").await.json();
    let flow = &json["flows"][0];
    assert_eq!(
        [&flow["label"], &flow["rule"], &flow["action"]],
        [&json!("suspect"), &json!(2), &json!("drop")]
    );
    let json = server.get("/api/connections?label=suspect").await.json();
    assert_eq!(json["connections"].as_array().unwrap().len(), 1);
    assert_eq!(json["connections"][0]["label"], "payments");
}

#[tokio::test]
async fn accounting_has_what_was_dropped() {
    let json = Server::of(labelled_meter())
        .get("/api/accounting")
        .await
        .json();
    assert_eq!(json["balanced"], true);
    assert_eq!(json["dropped"], volume(5, 500));
    assert_eq!(json["spared"], volume(0, 0));
    let egress = &json["interfaces"][1];
    assert_eq!(
        (&egress["direction"], &egress["dropped"]),
        (&json!("egress"), &volume(5, 500))
    );
}

#[tokio::test]
async fn heads_have_their_bytes_and_their_label() {
    let server = Server::of(labelled_meter());
    let json = server.get("/api/heads?label=suspect&limit=1").await.json();
    let expected = json!({
        "accounting": { "drawn": 10, "told": 3, "lost": 7, "passed_over": 90, "received": 3, "tapped": 0,
            "malformed": 0, "kept": 3,
            "lost_by_reason": { "over_allowance": 4, "ring_full": 2, "unreadable": 1 } },
        "heads": [{
            "number": 2, "time": "2026-01-01T00:00:01.000Z", "interface": "eth0", "ifindex": 2,
            "netns": 9, "direction": "egress", "protocol": "TCP",
            "source_address": "10.0.0.2", "source_port": 443,
            "destination_address": "10.0.0.1", "destination_port": 50000, "vlans": [7],
            "label": "suspect", "rule": 3, "action": "sample", "queue": null,
            "frame_bytes": 1514, "bytes_hex": "000f",
        }],
    });
    assert_eq!(json, expected);
    for (query, expected) in [
        ("", vec![3, 2, 1]),
        ("?after=1", vec![3, 2]),
        ("?after=3", vec![]),
        ("?label=", vec![3]),
        ("?label=payments", vec![]),
    ] {
        let json = server.get(&format!("/api/heads{query}")).await.json();
        let heads = json["heads"].as_array().unwrap();
        let numbers: Vec<_> = heads
            .iter()
            .map(|it| it["number"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, expected, "{query}");
    }
    for query in ["?after=-1", "?limit=10001", "?filter=tcp"] {
        let answer = server.get(&format!("/api/heads{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn the_stream_tells_labels_where_there_are_rules() {
    for (meter, path) in [(labelled_meter(), Some("/api/labels")), (meter(), None)] {
        let server = Server::of(meter);
        let mut body = server
            .open(common::request("GET", "/api/stream"))
            .await
            .into_body();
        server.ticker.tick();
        let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap();
        let bytes = frame.unwrap().into_data().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let data = text.strip_prefix("event: tick\ndata: ").unwrap();
        let event: Value = serde_json::from_str(data).unwrap();
        let expected = match path {
            Some(path) => server.get(path).await.json()["labels"].clone(),
            None => json!([]),
        };
        assert_eq!(event["labels"], expected);
    }
}
