//! What is recorded of tapped frames, and what the API tells.

use std::{
    net::{SocketAddr, UdpSocket},
    process::Command,
};

use netweir_tests::{Bump, Crossed, await_that};
use rustix::process::Signal;
use serde_json::Value;

use super::bump;

/// Datagrams to each of two ports.
pub(super) const SOME: u64 = 50;
const PORTS: [u16; 2] = [7001, 7002];
/// Bytes of a datagram, more than a head has.
const BYTES: usize = 1000;

/// Sends to both ports, and waits until all has come.
pub(super) fn exchange(bump: &Bump) {
    let listeners = PORTS.map(|port| {
        let at = SocketAddr::new(bump.service.addresses[0], port);
        bump.service.enter(|| UdpSocket::bind(at)).unwrap()
    });
    let from = SocketAddr::new(bump.client.addresses[0], 0);
    let sender = bump.client.enter(|| UdpSocket::bind(from)).unwrap();
    for _ in 0..SOME {
        for listener in &listeners {
            let to = listener.local_addr().unwrap();
            assert_eq!(sender.send_to(&[7; BYTES], to).unwrap(), BYTES);
            assert_eq!(listener.recv(&mut [0; 2000]).unwrap(), BYTES);
        }
    }
}

/// What a program of Wireshark prints.
pub(super) fn text(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Lets what is sent to both ports go by user space.
pub(super) fn two_rules(bump: &Bump) {
    for (label, port) in ["one", "two"].into_iter().zip(["7001", "7002"]) {
        bump.rule(label, &["--destination-port", port, "--action", "tap"]);
    }
}

#[test]
fn tapped_frames_are_written_whole() {
    let Some(bump) = bump(1500) else { return };
    two_rules(&bump);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("one.pcapng");
    let file = place.to_str().unwrap();
    let child = bump.start(&["-w", file, "--label", "one"]);
    exchange(&bump);
    let ended = child.end(Signal::INT);
    let line = Crossed::of(&ended, "b0");
    assert_eq!((line.tapped, line.bypassed), (2 * SOME, 0), "{line:?}");
    let written = format!("netweir: {SOME} packets written to {file}");
    assert!(
        ended.log.iter().any(|line| line.starts_with(&written)),
        "{ended:#?}"
    );
    let told = text("capinfos", &["-c", "-T", "-r", file]);
    assert!(told.trim_end().ends_with(&format!("\t{SOME}")), "{told}");
    let fields = [
        "frame.len",
        "frame.cap_len",
        "frame.interface_name",
        "udp.dstport",
        "frame.comment",
    ];
    let mut arguments = vec!["-n", "-r", file, "-T", "fields"];
    arguments.extend(fields.iter().flat_map(|field| ["-e", *field]));
    let rows = text("tshark", &arguments);
    let bytes = (14 + 20 + 8 + BYTES).to_string();
    for row in rows.lines() {
        let (row, queue) = row.rsplit_once(" queue=").unwrap();
        let expected = [&bytes, &bytes, "b0", "7001", "label=one rule=1 action=tap"].join("\t");
        assert_eq!(row, expected);
        assert!(queue == "0" || queue == "1", "{queue}");
    }
    assert_eq!(rows.lines().count() as u64, SOME);
}

#[test]
fn frames_go_on_crossing_when_enough_is_written() {
    let Some(bump) = bump(1500) else { return };
    two_rules(&bump);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("some.pcapng");
    let file = place.to_str().unwrap();
    let child = bump.start(&["-w", file, "--count", "7", "--snap", "100"]);
    exchange(&bump);
    let ended = child.end(Signal::INT);
    assert_eq!(Crossed::of(&ended, "b0").tapped, 2 * SOME);
    let told = text(
        "tshark",
        &["-r", file, "-T", "fields", "-e", "frame.cap_len"],
    );
    assert_eq!(told.lines().collect::<Vec<_>>(), ["100"; 7]);
}

#[test]
fn tapped_frames_are_told_as_they_come() {
    let Some(bump) = bump(1500) else { return };
    two_rules(&bump);
    let child = bump.start(&["--events", "--filter", "port 7002"]);
    exchange(&bump);
    child.await_output("7002");
    let ended = child.end(Signal::INT);
    assert_eq!(ended.output.len() as u64, SOME, "{ended:#?}");
    for line in &ended.output {
        let told: Value = serde_json::from_str(line).unwrap();
        assert_eq!(told["label"], "two", "{told}");
        assert_eq!(told["action"], "tap", "{told}");
        assert_eq!(told["interface"], "b0", "{told}");
        assert_eq!(told["frame_bytes"], 14 + 20 + 8 + BYTES, "{told}");
        assert!(told["queue"].is_u64() && told["time"].is_string(), "{told}");
    }
}

#[test]
fn the_api_tells_where_frames_went() {
    let Some(bump) = bump(1500) else { return };
    two_rules(&bump);
    let server = bump.serve(&[]);
    exchange(&bump);
    let line = await_that(|| {
        let told = server.get("/api/accounting");
        let line = told["inline"][0].clone();
        match line["tapped"].as_u64() {
            Some(tapped) if tapped == 2 * SOME => Ok(line),
            _ => Err(told.to_string()),
        }
    });
    assert_eq!(
        (&line["interface"], &line["to"]),
        (&"b0".into(), &"b1".into())
    );
    assert_eq!(line["recorded"], 2 * SOME, "{line}");
    let heads = server.get("/api/heads?label=two&limit=1000");
    assert_eq!(heads["heads"].as_array().unwrap().len() as u64, SOME);
    assert_eq!(heads["accounting"]["tapped"], 2 * SOME, "{heads}");
    let ended = server.child.end(Signal::INT);
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
}
