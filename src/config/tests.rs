//! Layers over one another, and what is said of a mistake.

use clap::Parser;

use super::*;

mod quic;

fn layers(file: &str, arguments: &[&str]) -> anyhow::Result<Layers> {
    let mut layers = Layers {
        values: SETTINGS
            .iter()
            .map(|setting| (setting.key, (setting.default.to_owned(), Source::Default)))
            .collect(),
    };
    layers.put_file("test.toml", file)?;
    let line = ["netweir"].iter().chain(arguments).chain(&["config"]);
    layers.put_flags(&Args::try_parse_from(line)?)?;
    Ok(layers)
}

fn complaint(file: &str, arguments: &[&str]) -> String {
    let config = layers(file, arguments).and_then(|layers| layers.config());
    format!("{:#}", config.expect_err("it is wrong"))
}

#[test]
fn defaults_are_valid() {
    let config = layers("", &[])
        .and_then(|layers| layers.config())
        .expect("defaults");
    assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.idle_timeout, Duration::from_secs(60));
    assert_eq!(config.ports, [vec![80], vec![443]]);
    assert_eq!(config.quic.ports, QuicPorts::These(vec![443, 4433, 8000]));
    assert_eq!(config.maps.quic, 4 << 20);
}

#[test]
fn flags_overrule_the_file() {
    let file = "tick = '2s'\n[flow]\nidle_timeout = '10s'\nmax_flows = 7\n";
    let layers = layers(file, &["--set", "flow.idle_timeout=20s"]).expect("layers");
    let config = layers.config().expect("config");
    assert_eq!(config.tick, Duration::from_secs(2));
    assert_eq!(config.idle_timeout, Duration::from_secs(20));
    assert_eq!(config.max_flows, 7);
}

#[test]
fn what_is_in_force_says_from_where_and_can_be_read_again() {
    let first = layers("[ports]\nhttp = [80, 8080]\n", &["--set", "hook=xdp"]).expect("layers");
    let text = first.to_string();
    assert!(
        text.contains("(test.toml:2)\nhttp = [80, 8080]\n"),
        "{text}"
    );
    assert!(text.contains("(--set)\nhook = \"xdp\"\n"), "{text}");
    let second = layers(&text, &[]).expect("what was printed is a file");
    assert_eq!(second.config().expect("config").ports[0], [80, 8080]);
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let cases = [
        ("\n\nhok = 'tc'\n", "test.toml:3: there is no setting hok"),
        ("[flw]\nx = 1\n", "test.toml:1: there is no table [flw]"),
        (
            "[flow]\nmax = 1\n",
            "test.toml:2: there is no setting flow.max",
        ),
        (
            "hook = 'bpf'\n",
            "hook = \"bpf\" (test.toml:1): a hook is auto, tc, xdp or tracepoint",
        ),
        (
            "tick = '1'\n",
            "tick = \"1\" (test.toml:1): \"1\" is not a duration",
        ),
        ("tick = '1h'\n", "it must be between 100ms and 60s"),
        (
            "listen = 'here'\n",
            "listen = \"here\" (test.toml:1): it must be an address and a port, such as \
             127.0.0.1:3000 or",
        ),
        (
            "tick = true\n",
            "test.toml:1: tick takes a string, a number or a list",
        ),
        ("tick = \n", "test.toml:1: not valid TOML: "),
        ("interface = []\n", "interface is empty"),
        ("interface = ['eth[0']\n", "eth[0 is not a pattern"),
        ("[maps]\nflows = 1\n", "it must be between 16 and"),
        (
            "tick = '1s'\nonly = 'tcp and'\n",
            "only = \"tcp and\" (test.toml:2): filter, column 8: expected a term",
        ),
        (
            "sampling = 0\n",
            "sampling = \"0\" (test.toml:1): it must be between 1 and 65536",
        ),
    ];
    for (file, expected) in cases {
        let said = complaint(file, &[]);
        assert!(said.contains(expected), "{file:?}: {said}");
    }
    assert!(complaint("", &["--set", "x=1"]).contains("--set x: there is no such setting"));
    assert!(complaint("", &["--set", "x"]).contains("write it as KEY=VALUE"));
}

#[test]
fn a_number_that_is_too_large_is_told_the_range() {
    let cases = [
        (
            "[ports]\nquic = [443, 70000]\n",
            "ports.quic = \"443,70000\" (test.toml:2): a port is a number from 1 to 65535",
        ),
        (
            "[ports]\nhttp = [0]\n",
            "ports.http = \"0\" (test.toml:2): a port is a number from 1 to 65535",
        ),
        (
            "[maps]\nquic = 99999999999\n",
            "maps.quic = \"99999999999\" (test.toml:2): it must be between 0 and 1073741824",
        ),
        (
            "[quic]\nmax_connections = '99999999999999999999999'\n",
            "(test.toml:2): it must be between 1 and 100000000",
        ),
        (
            "[quic]\nmax_guesses = 'many'\n",
            "(test.toml:2): it must be a number between 1 and 100000000",
        ),
    ];
    for (file, expected) in cases {
        let said = complaint(file, &[]);
        assert!(said.contains(expected), "{file:?}: {said}");
    }
}

#[test]
fn an_interface_can_have_a_hook_of_its_own() {
    let config = layers("interface = ['eth*', 'lo=tracepoint', 'any=xdp']", &[])
        .and_then(|layers| layers.config())
        .expect("config");
    let hooks: Vec<Option<HookChoice>> = config.choices.iter().map(|choice| choice.hook).collect();
    assert_eq!(
        hooks,
        [None, Some(HookChoice::Tracepoint), Some(HookChoice::Xdp)]
    );
    assert!(config.is_everything());
}

fn metering(file: &str, arguments: &[&str]) -> anyhow::Result<Config> {
    let line = ["netweir", "flows"].iter().chain(arguments);
    let Args {
        command: crate::args::Command::Flows(args),
        ..
    } = Args::try_parse_from(line)?
    else {
        anyhow::bail!("it is another command");
    };
    layers(file, &[])?.with_meter(&args.meter)?.config()
}

#[test]
fn what_is_counted_can_be_said_in_the_file_and_by_flags() {
    let nothing = metering("", &[]).expect("config");
    assert_eq!((nothing.only, nothing.sampling), (None, 1));
    let file = "only = 'tcp and iface eth0'\nsampling = 100\n";
    let config = metering(file, &[]).expect("config");
    assert_eq!(config.sampling, 100);
    let only = config.only.expect("a filter");
    assert_eq!((only.program.term_count, only.program.clause_count), (2, 1));
    assert_eq!(only.interfaces, ["eth0"]);
    let flags = metering(file, &["--only", "", "--sampling", "65536"]).expect("config");
    assert_eq!((flags.only, flags.sampling), (None, 65_536));
}

#[test]
fn a_flag_that_is_wrong_is_named() {
    let complaint = |arguments: &[&str]| {
        let config = metering("", arguments);
        format!("{:#}", config.expect_err("it is wrong"))
    };
    let ports: Vec<String> = (0..17).map(|port| format!("port {port}")).collect();
    let cases = [
        (
            &["--only", "port x"][..],
            "only = \"port x\" (--only): filter, column 6: expected a port",
        ),
        (
            &["--only", &ports.join(" or ")],
            "(--only): the filter asks 17 different things, and the kernel takes 16 at most",
        ),
        (
            &["--sampling", "65537"],
            "sampling = \"65537\" (--sampling): it must be between 1 and 65536",
        ),
        (
            &["--sampling", "1:10"],
            "sampling = \"1:10\" (--sampling): ",
        ),
    ];
    for (arguments, expected) in cases {
        let said = complaint(arguments);
        assert!(said.contains(expected), "{said}");
    }
    for count in ["0", "-1", "x"] {
        assert!(Args::try_parse_from(["netweir", "quic", "--count", count]).is_err());
    }
    let accounting = ["netweir", "flows", "--accounting"];
    for other in [
        &[][..],
        &["--json"],
        &["--count", "1"],
        &["--format", "csv"],
    ] {
        assert!(Args::try_parse_from(accounting.iter().chain(other)).is_ok());
    }
    for other in ["--connections", "--records", "--filter=tcp", "--top=1"] {
        assert!(Args::try_parse_from(accounting.iter().chain(&[other])).is_err());
    }
}
