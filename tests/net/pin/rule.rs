//! Rules in what is pinned, with an agent and without.

use netweir_tests::{Netweir, Server, World, books, is_root, own_bpffs, status};
use rustix::process::Signal;

use super::{attach, detach, send};

#[test]
fn rules_are_in_force_with_an_agent_and_without() {
    if !is_root() {
        return;
    }
    let _folder = own_bpffs();
    let world = World::new();
    let place = tempfile::tempdir().unwrap();
    let file = format!("rules.file={}/rules.toml", place.path().display());
    let told = |arguments: &[&str]| {
        let fixed = ["--set", &file, "rule"];
        let all = fixed.iter().chain(arguments).copied();
        let ended = Netweir::new(all).inside(&world.near).finish();
        let (code, told) = ended.failure();
        assert_eq!(code, Some(0), "{ended:#?}");
        told.join("\n")
    };
    let rule = |arguments: &[&str]| assert_eq!(told(arguments), "");
    let dropped = || {
        let status = status(&world.near);
        let packets = status["directions"]["ingress"]["dropped"]["packets"].as_u64();
        (status["rules"].as_u64().unwrap(), packets.unwrap())
    };
    let drop_from = |label: &str, port: &str, more: &[&str]| {
        let fixed = ["add", label, "--source-port", port, "--action", "drop"];
        let all: Vec<&str> = fixed.iter().chain(more).copied().collect();
        rule(&all);
    };
    drop_from("one", "1", &[]);
    attach(&world, &["--set", &file]);
    send(&world, 1, 3);
    send(&world, 2, 3);
    assert_eq!(dropped(), (1, 3));
    // Without an agent.
    drop_from("two", "2", &["--interface", "w0"]);
    drop_from("none", "3", &["--interface", "w1"]);
    send(&world, 2, 3);
    send(&world, 3, 3);
    assert_eq!(dropped(), (3, 6));
    // With one, which goes on with them and changes them.
    let agent = Netweir::flows(&world, &["--set", &file]).meter();
    send(&world, 1, 2);
    send(&world, 2, 2);
    assert_eq!(dropped(), (3, 10));
    let used = told(&["del", "--label", "one"]);
    assert!(
        used.contains("the pins of w0 are in use by process"),
        "{used}"
    );
    agent.await_log("other rules are in force", 1);
    send(&world, 1, 2);
    send(&world, 2, 2);
    assert_eq!(dropped(), (2, 12));
    let ended = books(20, 0) + "; of those seen, rules dropped 12 and spared 0";
    assert_eq!(agent.end(Signal::TERM).books(), ended);
    // They were removed while nobody looked: the next agent sees to it.
    std::fs::remove_file(place.path().join("rules.toml")).unwrap();
    let agent = Netweir::flows(&world, &["--set", &file]).meter();
    send(&world, 2, 2);
    assert_eq!(dropped(), (0, 12));
    let ended = books(22, 0) + "; of those seen, rules dropped 12 and spared 0";
    assert_eq!(agent.end(Signal::TERM).books(), ended);
    detach(&world);
}

#[test]
fn an_agent_gives_its_rules_to_pins_that_nobody_uses() {
    if !is_root() {
        return;
    }
    let _folder = own_bpffs();
    let world = World::new();
    let elsewhere = [
        "run",
        "--listen",
        "127.0.0.1:0",
        "--iface",
        world.far.interface,
    ];
    let call = Netweir::new(elsewhere).rules(world.rules());
    let server = Server::of(call.netns(&world.far));
    let file = format!("rules.file={}", world.rules().display());
    attach(&world, &["--set", &file]);
    send(&world, 1, 3);
    let drop = r#"{"label": "one", "interface": "w0", "source_port": 1, "action": "drop"}"#;
    let (code, answer, _) = server.change("POST /api/rules", Some(&server.token()), drop);
    assert_eq!((code, &answer["in_force"]), (201, &true.into()), "{answer}");
    send(&world, 1, 4);
    let status = status(&world.near);
    assert_eq!(status["rules"], 1);
    assert_eq!(status["directions"]["ingress"]["dropped"]["packets"], 4);
    server.child.end(Signal::TERM);
    detach(&world);
}
