//! Rules over the API of a running agent.

use std::{fs, os::unix::fs::PermissionsExt};

use netweir_tests::{Netweir, Server, World, is_root};
use rustix::process::Signal;
use serde_json::json;

use super::{
    live::{PORTS, Talk},
    rule,
};

/// When the answer comes, the very next packet is decided about by the new rules.
#[test]
fn a_change_is_in_force_when_the_answer_comes() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let talk = Talk::new(&world.far, &world.near);
    // A tick so long that nothing but the change wakes the agent in time.
    let server = Server::start(&world, &["--tick", "60s"]);
    let token = server.token();
    let change = |request: &str, body: &str| {
        let (status, body, _) = server.change(request, Some(&token), body);
        (status, body["in_force"].clone(), body)
    };
    let drop = json!({"label": "unwanted", "destination_port": PORTS[0], "action": "drop"});
    assert_eq!(talk.exchange(10), 10);
    for turn in 1..=3 {
        let (status, in_force, added) = change("POST /api/rules", &drop.to_string());
        assert_eq!((status, in_force), (201, true.into()), "{added}");
        assert_eq!(talk.exchange(10), 0);
        let number = &added["rules"][0]["number"];
        assert_eq!(number, turn, "numbers are not given twice soon");
        let (status, in_force, _) = change(&format!("DELETE /api/rules/{number}"), "");
        assert_eq!((status, in_force), (200, true.into()));
        assert_eq!(talk.exchange(10), 10);
    }
    let both = json!({"rules": [drop, {"label": "rest"}]});
    let (status, _, all) = change("PUT /api/rules", &both.to_string());
    assert_eq!((status, all["rules"].as_array().unwrap().len()), (200, 2));
    assert_eq!(talk.exchange(10), 0);
    let asked = "/api/rules/test?source=10.7.0.2&source_port=5000&destination=10.7.0.1\
                 &destination_port=7001&protocol=udp";
    let answer = server.get(asked);
    assert_eq!(
        (&answer["label"], &answer["action"]),
        (&"unwanted".into(), &"drop".into())
    );
    // What the commands say is told, and what was told over the API is in the file of the commands.
    rule(&world, &["del", "--label", "unwanted"]);
    let told = server.get("/api/rules");
    assert_eq!(told["rules"].as_array().unwrap().len(), 1);
    assert_eq!(told["rules"][0]["label"], "rest");
    let listed = Netweir::rule(&world, &["list", "--json"]).finish();
    let listed: serde_json::Value = serde_json::from_str(&listed.output[0]).unwrap();
    let mut expected = told["rules"][0].clone();
    let hits = expected.as_object_mut().unwrap().remove("hits");
    assert!(hits.is_some());
    assert_eq!(listed, expected);
    let ended = server.child.end(Signal::TERM);
    let dropped = ended.closing()[0].contains("rules dropped 40 and spared 0");
    assert!(dropped, "{ended:#?}");
}

#[test]
fn nothing_is_changed_without_the_token() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "a-token-of-my-own\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let setting = format!("api.token_file={}", file.display());
    let server = Server::start(&world, &["--set", &setting]);
    for token in [None, Some("a-token-of-my-owm"), Some("a-token-of-my-own2")] {
        let (status, problem, head) = server.change("POST /api/rules", token, "{\"label\": \"a\"}");
        assert_eq!(
            (status, &problem["title"]),
            (401, &"Unauthorized".into()),
            "{token:?}"
        );
        assert!(
            head.to_lowercase().contains("\r\nwww-authenticate: bearer"),
            "{head}"
        );
    }
    assert!(!world.rules().exists());
    let token = Some("a-token-of-my-own");
    let (status, ..) = server.change("POST /api/rules", token, "{\"label\": \"a\"}");
    assert_eq!(status, 201);
    // Neither the settings nor the log have it.
    let shown = Netweir::new(["config", "--set", &setting]).finish();
    let ended = server.child.end(Signal::TERM);
    let lines = [shown.output, shown.log, ended.log].concat();
    assert!(
        lines.iter().all(|line| !line.contains("a-token-of-my-own")),
        "{lines:#?}"
    );
}

#[test]
fn a_token_file_that_cannot_be_used_is_named() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let call = |text: Option<&str>| {
        match text {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let setting = format!("api.token_file={}", file.display());
        Netweir::run(&world, &["--set", &setting]).finish()
    };
    let name = file.display();
    for (text, expected) in [
        ("", "a token has from 16 to 256 characters"),
        ("short", "a token has from 16 to 256 characters"),
        (
            "two words of some length",
            "a token has no other characters than visible ones of ASCII, and no spaces",
        ),
    ] {
        let ended = call(Some(text));
        let line = format!("netweir: api.token_file {name}: {expected}");
        assert_eq!(ended.failure(), (Some(1), vec![&*line]));
    }
    let ended = call(None);
    let line = format!(
        "netweir: cannot read the token of the API {name}: No such file or directory (os error 2)"
    );
    assert_eq!(ended.failure(), (Some(1), vec![&*line]));
    // What everybody may read is used, and said.
    fs::write(&file, "0123456789abcdef").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let setting = format!("api.token_file={name}");
    let server = Server::start(&world, &["--set", &setting]);
    server
        .child
        .await_log("everybody on this host may read the token", 1);
    server.child.end(Signal::TERM).books();
}

/// Whoever breaks the file by hand is told; the rules from before stay in force.
#[test]
fn a_broken_file_changes_nothing_that_is_in_force() {
    if !is_root() {
        return;
    }
    let world = World::new();
    rule(
        &world,
        &[
            "add",
            "unwanted",
            "--destination-port",
            "7001",
            "--action",
            "drop",
        ],
    );
    let talk = Talk::new(&world.far, &world.near);
    let server = Server::start(&world, &["--tick", "100ms"]);
    assert_eq!(talk.exchange(10), 0);
    let right = fs::read_to_string(world.rules()).unwrap();
    put(&world, &format!("{right}\n[[rule]]\nlabel = \"a b\"\n"));
    server
        .child
        .await_log("the rules from before stay in force", 1);
    assert_eq!(talk.exchange(10), 0);
    let lines = right.lines().count();
    let place = format!(
        "{}:{}: `label`: \"a b\" is not a label",
        world.rules().display(),
        lines + 3
    );
    let (status, problem) = server.ask("/api/rules");
    let detail = problem["detail"].as_str().unwrap();
    assert_eq!(
        (status, detail.starts_with(&place)),
        (500, true),
        "{problem}"
    );
    let token = server.token();
    let (status, problem, _) = server.change("POST /api/rules", Some(&token), "{\"label\": \"b\"}");
    assert_eq!((status, &problem["detail"]), (500, &detail.into()));
    // Nobody starts with it.
    let ended = Netweir::run(&world, &[]).finish();
    let (code, told) = ended.failure();
    let told_place = told[0].starts_with(&format!("netweir: {place}"));
    assert_eq!((code, told_place), (Some(1), true), "{told:?}");
    // Mended, it holds again.
    put(&world, &right);
    server.child.await_log("other rules are in force", 1);
    let (status, ..) = server.change("DELETE /api/rules/1", Some(&token), "");
    assert_eq!((status, talk.exchange(10)), (200, 10));
    let ended = server.child.end(Signal::TERM);
    let dropped = ended.closing()[0].contains("rules dropped 20 and spared 0");
    assert!(dropped, "{ended:#?}");
}

/// Puts a whole file in the place of the rules, as editors do.
fn put(world: &World, text: &str) {
    let beside = world.rules().with_extension("mine");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, world.rules()).unwrap();
}
