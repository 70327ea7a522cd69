//! Interfaces that come and go while they are metered.

use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{
    Counted, Feature, Netweir, Server, World, await_that, books, is_root, tc_hook,
};
use netweir_wire::packet::protocol;
use rustix::process::Signal;
use serde_json::Value;

/// What the agent logs of an interface that it has attached to.
const METERING: &str = "metering interface=";

fn frame(port: u16) -> Vec<u8> {
    ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(port, 9, &[0; 18])))
}

/// Interfaces as name, whether they exist, and frames received.
fn interfaces(server: &Server) -> Vec<(String, bool, u64)> {
    let answer = server.get("/api/interfaces");
    let read = |interface: &Value| {
        let name = interface["name"].as_str().unwrap().to_owned();
        let received = Counted::of(&interface["ingress"]["seen"]).frames;
        (name, interface["present"].as_bool().unwrap(), received)
    };
    answer["interfaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(read)
        .collect()
}

fn await_interfaces(server: &Server, expected: &[(&str, bool, u64)]) {
    await_that(|| {
        let found = interfaces(server);
        let same = found
            .iter()
            .map(|(name, present, frames)| (name.as_str(), *present, *frames));
        if same.eq(expected.iter().copied()) {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    });
}

#[test]
fn comes_back_by_name_at_tcx() {
    comes_back("w0", &["--hook", "tc"]);
}

#[test]
fn comes_back_by_pattern_at_clsact() {
    comes_back("w*", &["--hook", "tc", "--set", "tc=clsact"]);
}

#[test]
fn comes_back_by_pattern_at_xdp() {
    // The interface is made for frames that are longer than a buffer.
    if !Feature::XdpFrags.is_there_or_skip() {
        return;
    }
    comes_back("w*", &["--hook", "xdp"]);
}

#[test]
fn comes_back_by_name_at_the_tracepoints() {
    comes_back("w0", &["--hook", "tracepoint"]);
}

fn comes_back(choice: &str, arguments: &[&str]) {
    if !is_root() {
        return;
    }
    let world = World::new();
    let fixed = ["run", "--listen", "127.0.0.1:0", "--iface", choice];
    let call = Netweir::new(fixed.iter().chain(arguments).copied()).netns(&world.near);
    let server = Server::of(call);
    world.send(std::iter::repeat_n(frame(1), 30));
    server.await_seen(30);
    world.disconnect();
    await_interfaces(&server, &[("w0", false, 30)]);
    world.connect();
    server.child.await_log(METERING, 2);
    world.send(std::iter::repeat_n(frame(1), 20));
    let accounting = server.await_seen(50);
    assert_eq!(accounting["balanced"], true);
    // The index is another one: two interfaces of one name, one after the other.
    await_interfaces(&server, &[("w0", false, 30), ("w0", true, 20)]);
    let flows = server.get("/api/flows?limit=0");
    let packets = flows["flows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flow| flow["packets"].as_u64());
    assert_eq!(packets.collect::<Vec<_>>(), [Some(30), Some(20)]);
    server.child.end(Signal::TERM).books();
}

#[test]
fn counts_until_it_goes() {
    if !is_root() {
        return;
    }
    for hook in ["tc", "xdp", "tracepoint"] {
        let world = World::new();
        let child = Netweir::flows(&world, &["--hook", hook, "--tick", "60s"]).meter();
        world.send((0..1000).map(|_| frame(1)));
        world.disconnect();
        child.await_log("the interface is gone", 1);
        let ended = child.end(Signal::TERM);
        assert_eq!(ended.books(), books(1000, 0), "{hook}");
        assert_eq!(ended.output.len(), 1, "one report: {ended:#?}");
        let flow: Value = serde_json::from_str(&ended.output[0]).unwrap();
        assert_eq!(Counted::of(&flow), Counted::frames(1000, 60), "{hook}");
    }
}

#[test]
fn comes_later() {
    if !is_root() || !Feature::XdpFrags.is_there_or_skip() {
        return;
    }
    let world = World::new();
    world.disconnect();
    let fixed = [
        "run",
        "--listen",
        "127.0.0.1:0",
        "--iface",
        "late*=xdp",
        "--iface",
        "w*",
    ];
    let server = Server::of(Netweir::new(fixed).netns(&world.near));
    assert_eq!(interfaces(&server), []);
    world.connect_as("late7");
    let line = server.child.await_log(METERING, 1);
    assert!(
        line.contains("late7") && line.contains("xdp-native"),
        "{line}"
    );
    world.far.send(std::iter::repeat_n(frame(1), 20));
    server.await_seen(20);
    // The wish that its new name fits is another one: it is the same interface.
    rename(&world);
    let line = server.child.await_log(METERING, 2);
    assert!(line.contains("w7") && line.contains("xdp-native"), "{line}");
    world.far.send(std::iter::repeat_n(frame(1), 5));
    server.await_seen(25);
    await_interfaces(&server, &[("w7", true, 25)]);
    server.child.end(Signal::TERM).books();
}

#[test]
fn is_metered_under_a_name_that_nobody_wished_for() {
    if !is_root() {
        return;
    }
    for hook in ["tc", "xdp", "tracepoint"] {
        let world = World::new();
        world.disconnect();
        let fixed = ["run", "--listen", "127.0.0.1:0", "--hook", hook];
        let arguments = fixed.into_iter().chain(["--iface", "late*"]);
        let server = Server::of(Netweir::new(arguments).netns(&world.near));
        world.connect_as("late7");
        server.child.await_log(METERING, 1);
        world.far.send(std::iter::repeat_n(frame(1), 20));
        server.await_seen(20);
        rename(&world);
        let line = server.child.await_log(METERING, 2);
        assert!(line.contains("interface=\"w7\""), "{line}");
        world.far.send(std::iter::repeat_n(frame(1), 5));
        let accounting = server.await_seen(25);
        assert_eq!(accounting["balanced"], true);
        await_interfaces(&server, &[("w7", true, 25)]);
        world.disconnect();
        await_interfaces(&server, &[("w7", false, 25)]);
        assert_eq!(server.child.end(Signal::TERM).books(), books(25, 0));
    }
}

/// Before 6.2 an interface that is up keeps its name.
fn rename(world: &World) {
    let rename = ["link", "set", "late7", "name", "w7"];
    if !world.near.run("ip", &rename).status.success() {
        world.near.text("ip", &["link", "set", "late7", "down"]);
        world.near.text("ip", &rename);
        world.near.text("ip", &["link", "set", "w7", "up"]);
    }
}

/// A container host makes and removes interfaces faster than anybody can attach to them: those that
/// are gone at once are neither traced instead, nor listed as if they were there.
#[test]
fn those_that_are_gone_at_once_leave_nothing() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let server = Server::start(&world, &["--iface", "*"]);
    let flap = "link add z0 type veth peer name z1\nlink set z0 up\nlink del z0\n".repeat(40);
    let script = std::env::temp_dir().join(format!("netweir-flap-{}", std::process::id()));
    std::fs::write(&script, flap).unwrap();
    world.near.run("ip", &["-batch", script.to_str().unwrap()]);
    std::fs::remove_file(&script).unwrap();
    // One that lasts comes after them: when it is there, all others have been dealt with.
    world.near.run(
        "ip",
        &["link", "add", "y0", "type", "veth", "peer", "name", "y1"],
    );
    await_that(|| {
        let found = interfaces(&server);
        let lasts = found
            .iter()
            .any(|(name, present, _)| name == "y0" && *present);
        let ghosts = found
            .iter()
            .any(|(name, present, _)| name.starts_with('z') && *present);
        if lasts && !ghosts {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    });
    let answer = server.get("/api/interfaces");
    for interface in answer["interfaces"].as_array().unwrap() {
        assert_eq!(interface["hook"], tc_hook(), "{interface}");
    }
}
