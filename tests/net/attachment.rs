//! Nothing stays behind, however the program ends, and nothing of others is touched.

use aya::programs::{SchedClassifier, TcAttachType};
use netweir_packets::frame::{ethernet_ipv4, ipv4, udp};
use netweir_tests::{Ended, Feature, Netweir, World, books, is_root};
use netweir_wire::packet::protocol;
use rustix::process::Signal;

/// How to attach in each way that there is.
const WAYS: [&[&str]; 4] = [
    &["--hook", "tc", "--set", "tc=tcx"],
    &["--hook", "tc", "--set", "tc=clsact"],
    &["--hook", "xdp"],
    &["--hook", "tracepoint"],
];
const TCX: &[&str] = WAYS[0];
const CLSACT: &[&str] = WAYS[1];

/// Those that this kernel has.
fn ways() -> impl Iterator<Item = &'static [&'static str]> {
    let tcx = Feature::Tcx.is_there();
    WAYS.into_iter().filter(move |way| tcx || *way != TCX)
}

/// Everything that hangs on the near interface, as text.
pub(crate) fn attached(world: &World) -> String {
    let mut text = world.near.text("tc", &["qdisc", "show", "dev", "w0"]);
    for place in ["ingress", "egress"] {
        // Without the qdisc there is no such place.
        let filters = world
            .near
            .run("tc", &["filter", "show", "dev", "w0", place]);
        text += &String::from_utf8_lossy(&filters.stdout);
    }
    let link = world.near.text("ip", &["-details", "link", "show", "w0"]);
    text.extend(
        link.lines()
            .filter(|line| line.contains("xdp"))
            .map(|line| format!("{line}\n")),
    );
    for place in [TcAttachType::Ingress, TcAttachType::Egress] {
        if !Feature::Tcx.is_there() {
            continue;
        }
        let (_, programs) = world
            .near
            .enter(|| SchedClassifier::query_tcx("w0", place))
            .unwrap();
        text.extend(
            programs
                .iter()
                .map(|program| format!("tcx {:?}\n", program.name_as_str())),
        );
    }
    text
}

fn send(world: &World, count: usize) {
    let frame = ethernet_ipv4(ipv4(protocol::UDP).carrying(udp(1, 2, &[0; 18])));
    world.send(std::iter::repeat_n(frame, count));
}

fn check_books(ended: &Ended, packets: u64) {
    assert_eq!(ended.books(), books(packets, 0));
}

#[test]
fn is_removed_by_signals() {
    if !is_root() {
        return;
    }
    for way in ways() {
        let world = World::new();
        let nothing = attached(&world);
        for signal in [Signal::TERM, Signal::INT] {
            let child = Netweir::flows(&world, way).meter();
            let traced = way.contains(&"tracepoint");
            assert_eq!(
                attached(&world) == nothing,
                traced,
                "{way:?}: {}",
                attached(&world)
            );
            send(&world, 10);
            check_books(&child.end(signal), 10);
            assert_eq!(attached(&world), nothing, "{way:?}");
        }
    }
}

#[test]
fn dies_with_the_process() {
    if !is_root() {
        return;
    }
    for way in ways() {
        let world = World::new();
        let nothing = attached(&world);
        let child = Netweir::flows(&world, way).meter();
        assert!(child.end(Signal::KILL).was_killed());
        let left = attached(&world);
        // The kernel itself does not remove filters from clsact.
        assert_eq!(left == nothing, way != CLSACT, "{way:?}: {left}");
        let child = Netweir::flows(&world, way).meter();
        send(&world, 10);
        check_books(&child.end(Signal::TERM), 10);
        assert_eq!(attached(&world), nothing, "{way:?}");
    }
}

#[test]
fn leaves_the_filters_of_others() {
    if !is_root() {
        return;
    }
    let world = World::new();
    world
        .near
        .text("tc", &["qdisc", "add", "dev", "w0", "clsact"]);
    for place in ["ingress", "egress"] {
        // Of the classifiers, the kernel may have none but this: "matches nothing".
        let filter = [
            "filter",
            "add",
            "dev",
            "w0",
            place,
            "bpf",
            "bytecode",
            "1,6 0 0 0",
        ];
        world.near.text("tc", &filter);
    }
    let before = attached(&world);
    for signal in [Signal::TERM, Signal::KILL, Signal::TERM] {
        let child = Netweir::flows(&world, CLSACT).meter();
        assert!(attached(&world).contains("netweir_tc_in"));
        send(&world, 10);
        let ended = child.end(signal);
        if signal == Signal::TERM {
            check_books(&ended, 10);
            assert_eq!(attached(&world), before);
        }
    }
}

#[test]
fn leaves_the_empty_qdisc_of_others() {
    if !is_root() {
        return;
    }
    let world = World::new();
    world
        .near
        .text("tc", &["qdisc", "add", "dev", "w0", "clsact"]);
    let before = attached(&world);
    for signal in [Signal::TERM, Signal::KILL, Signal::TERM] {
        let child = Netweir::flows(&world, CLSACT).meter();
        let ended = child.end(signal);
        if signal == Signal::TERM {
            check_books(&ended, 0);
            assert_eq!(attached(&world), before);
        }
    }
}

#[test]
fn a_second_one_counts_beside_the_first() {
    if !is_root() {
        return;
    }
    // There is only one place for XDP: the second one takes TC.
    for way in ways().filter(|way| *way != CLSACT) {
        let world = World::new();
        let first = Netweir::flows(&world, way).meter();
        send(&world, 10);
        let second = Netweir::flows(&world, way).meter();
        send(&world, 20);
        check_books(&first.end(Signal::TERM), 30);
        send(&world, 5);
        check_books(&second.end(Signal::TERM), 25);
    }
}

#[test]
fn a_second_one_is_refused_at_clsact() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let first = Netweir::flows(&world, CLSACT).meter();
    let before = attached(&world);
    let second = Netweir::flows(&world, CLSACT).finish();
    let told = "netweir: another netweir meters w0 through clsact; stop it first, or use --hook \
                tracepoint";
    assert_eq!(second.failure(), (Some(1), vec![told]));
    assert_eq!(attached(&world), before);
    send(&world, 10);
    check_books(&first.end(Signal::TERM), 10);
}
