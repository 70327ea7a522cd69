//! What goes wrong is told in one line that says what to do, with exit code 1; 2 is a usage error.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
};

use netweir_tests::{Ended, Feature, Netweir, World, books, is_root};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};

/// Checks that this line is all there is.
fn check(ended: &Ended, line: &str) {
    assert_eq!(
        (ended.status.code(), ended.output.len()),
        (Some(1), 0),
        "{ended:#?}"
    );
    assert_eq!(ended.log, [line]);
}

#[test]
fn says_what_is_wrong_with_the_arguments() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let near = world.near.netns.path();
    let no_interface = format!(
        "netweir: no interface w9 in network namespace {}; `netweir interfaces` lists them",
        near.display()
    );
    let cases: [(&[&str], &str); 6] = [
        (&["flows", "--iface", "w9"], &no_interface),
        (
            &["flows", "--iface", "default"],
            "netweir: there is no default route; name an interface with --iface, or `--iface any`",
        ),
        (
            &["flows", "--hook", "kprobe"],
            "netweir: hook = \"kprobe\" (--hook): a hook is auto, tc, xdp or tracepoint",
        ),
        (
            &["flows", "--iface", "w[0"],
            "netweir: interface = \"w[0\" (--iface): w[0 is not a pattern for interface names: \
             error parsing glob 'w[0': unclosed character class; missing ']'",
        ),
        (
            &["flows", "--netns", "nowhere", "--iface", "w0"],
            "netweir: cannot enter the network namespace /run/netns/nowhere; `ip netns list` shows \
             the named ones: No such file or directory (os error 2)",
        ),
        (
            &["flows", "--set", "flow.idle=1s"],
            "netweir: --set flow.idle: there is no such setting; `netweir config` lists them",
        ),
    ];
    for (arguments, line) in cases {
        check(&Netweir::new(arguments).netns(&world.near).finish(), line);
    }
    let ended = Netweir::flows(&world, &["--filter", "tcp and prot 80"]).finish();
    assert_eq!(ended.failure().0, Some(1));
    assert!(ended.log[0].contains("prot"), "{:?}", ended.log);
    assert_eq!(ended.log.len(), 1, "{:?}", ended.log);
    let ended = Netweir::new(["flows", "--no-such-flag"]).finish();
    assert_eq!(ended.status.code(), Some(2));
}

#[test]
fn says_who_may_not() {
    if !is_root() {
        return;
    }
    let line = "netweir: not permitted: metering needs root (try sudo), or the capabilities \
                CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; `netweir replay FILE` and `netweir demo` \
                work without";
    let world = World::new();
    for hook in ["auto", "tc", "xdp", "tracepoint"] {
        let arguments = ["flows", "--iface", "w0", "--hook", hook];
        let call = Netweir::new(arguments).inside(&world.near).as_nobody("");
        check(&call.finish(), line);
    }
    // What needs no privilege works without.
    let call = Netweir::new(["interfaces", "--format", "json"])
        .inside(&world.near)
        .as_nobody("");
    let ended = call.finish();
    assert_eq!(
        (ended.status.code(), ended.output.len()),
        (Some(0), 2),
        "{ended:#?}"
    );
}

#[test]
fn needs_no_more_than_it_says() {
    if !is_root() {
        return;
    }
    // Before 5.11 the memory of maps counts against this limit, which a service is given.
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    // Not every root may raise it; where it is needed and was not, what follows fails.
    let _raised = setrlimit(Resource::Memlock, unlimited);
    for hook in ["tc", "xdp", "tracepoint"] {
        // clsact is claimed by a file in /run/netweir, where only root may write.
        if hook == "tc" && !Feature::Tcx.is_there() {
            continue;
        }
        let world = World::new();
        let arguments = ["flows", "--iface", "w0", "--every", "1h", "--hook", hook];
        let call = Netweir::new(arguments).inside(&world.near);
        let child = call.as_nobody("+bpf,+net_admin,+perfmon").meter();
        world.send([[0; 60]]);
        let ended = child.end(Signal::TERM);
        assert!(
            ended.books().contains(" 1 packets seen = 1 counted"),
            "{ended:?}"
        );
    }
}

#[test]
fn says_that_the_address_is_in_use() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let call = Netweir::new(["run", "--iface", "w0", "--listen", &address]).netns(&world.near);
    let line = format!(
        "netweir: {address} is in use; choose another port with --port, or find who has it with \
         `ss -ltnp 'sport = :{port}'`"
    );
    check(&call.finish(), &line);
}

/// `netweir flows | head -1` is no failure.
#[test]
fn ends_when_nobody_reads() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let mut fixed = vec!["flows", "--iface", "w0", "--every", "100ms", "--netns"];
    let near = world.near.netns.path();
    fixed.push(near.to_str().unwrap());
    for format in ["table", "csv"] {
        let arguments = [&fixed[..], &["--format", format]].concat();
        let binary = netweir_tests::binary();
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(binary)
            .args(arguments)
            .env("NETWEIR_RULES_FILE", world.rules())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let head = Command::new("head")
            .arg("-1")
            .stdin(child.stdout.take().unwrap())
            .output();
        assert!(!head.unwrap().stdout.is_empty());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), told.trim_end()),
            (Some(0), &*books(0, 0))
        );
    }
}

/// `netweir … 2>&1 | head`: what is told is gone then, and nothing else.
#[test]
fn nobody_need_read_what_is_told() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(netweir_tests::binary());
    command.args(["inline", "--from", "nobody", "--to", "nowhere"]);
    let status = command.env("RUST_LOG", "trace").stderr(writer).status();
    assert_eq!(status.unwrap().code(), Some(1));
}
