//! What is wrong with a call is said in one line, and nothing has changed.

use super::command::Rules;

/// Calls, and how their complaint begins.
const WRONG: &[(&[&str], &str)] = &[
    (
        &["add", "a b"],
        "`label`: \"a b\" is not a label: 1 to 64 letters",
    ),
    (&["add", ""], "`label`: \"\" is not a label"),
    (
        &["add", "x", "--source", "10.0.0.0/33"],
        "`source`: \"10.0.0.0/33\" is not an address",
    ),
    (
        &["add", "x", "--source", "host"],
        "`source`: \"host\" is not an address or a network",
    ),
    (
        &["add", "x", "--source-port", "65536"],
        "`source_port`: \"65536\" is not a port",
    ),
    (
        &["add", "x", "--source-port", "90-80"],
        "`source_port`: \"90-80\" is not a port",
    ),
    (
        &["add", "x", "--protocol", "foo"],
        "`protocol`: \"foo\" is not an IP protocol",
    ),
    (
        &["add", "x", "--protocol", "0"],
        "`protocol`: \"0\" is not an IP protocol",
    ),
    (
        &["add", "x", "--action", "tap 2"],
        "`action`: \"tap 2\" is not an action",
    ),
    (&["add", "x", "--action", "sample"], "there are no rules"),
    (
        &["add", "x", "--action", "sample 0"],
        "`action`: \"sample 0\" is not an action",
    ),
    (
        &["add", "x", "--direction", "up"],
        "`direction`: \"up\" is not a direction: `in` or",
    ),
    (
        &["add", "x", "--vlan", "4096"],
        "`vlan`: \"4096\" is not a VLAN identifier",
    ),
    (
        &["add", "x", "--priority", "1.5"],
        "`priority`: \"1.5\" is not a whole number",
    ),
    (
        &["add", "x", "--source", "::1", "--destination", "1.1.1.1"],
        "`source` is of IPv4 and `destination` of IPv6, or the other way round",
    ),
    (
        &["del", "7"],
        "there is no rule 7; `netweir rule list` shows those that there are",
    ),
    (
        &["del", "--label", "x"],
        "no rule has the label \"x\"; `netweir rule list` shows them",
    ),
    (
        &["test", "1.1.1.1", "::1"],
        "1.1.1.1 and ::1 are of two families: no packet has both",
    ),
    (
        &["test", "1.1.1.1:5", "2.2.2.2"],
        "a packet has two ports or none: say both, or neither",
    ),
    (
        &["test", "1.1.1.1:65536", "2.2.2.2"],
        "\"1.1.1.1:65536\" is no address: write 10.0.0.1",
    ),
    (
        &["test", "1.1.1.1:5", "2.2.2.2:6", "--protocol", "icmp"],
        "ICMP has no ports: leave them out, or name another protocol",
    ),
];

#[test]
fn what_is_wrong_is_named() {
    let rules = Rules::new();
    for (arguments, expected) in WRONG {
        if *expected == "there are no rules" {
            // `sample` alone is every packet.
            rules.told(arguments);
            rules.told(&["del", "--all"]);
            continue;
        }
        let line = rules.refused(arguments);
        assert!(
            line.starts_with(&format!("netweir: {expected}")),
            "{arguments:?}: {line}"
        );
    }
    let none = "there are no rules; `netweir rule add --help` says how to add one";
    assert_eq!(rules.told(&["list"]), [none]);
}

/// What cannot be read as a command line at all.
#[test]
fn wrong_flags_are_a_usage_error() {
    let rules = Rules::new();
    for arguments in [
        &[][..],
        &["add"],
        &["add", "a", "b"],
        &["add", "a", "--colour", "red"],
        &["add", "a", "--source"],
        &["del"],
        &["del", "x"],
        &["del", "65536"],
        &["del", "1", "--all"],
        &["del", "1", "--label", "a"],
        &["load"],
        &["list", "--format", "xml"],
        &["list", "--json", "--format", "csv"],
        &["test", "1.1.1.1"],
        &["replace"],
    ] {
        let ended = rules.run(arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:#?}");
        assert!(
            ended.log.iter().any(|line| line.contains("--help")),
            "{ended:#?}"
        );
    }
    for (arguments, expected) in [
        (
            &["--help"][..],
            "netweir rule test 203.0.113.7:5000 10.1.2.3:443 --protocol tcp",
        ),
        (
            &["add", "--help"],
            "netweir rule add suspect --source 203.0.113.7 --action drop",
        ),
        (
            &["test", "--help"],
            "netweir rule test 10.0.0.1 10.0.0.2 --protocol icmp --json",
        ),
        (&["del", "--help"], "--label <LABEL>"),
        (&["load", "--help"], "`-` for standard input"),
    ] {
        let told = rules.told(arguments);
        assert!(told.iter().any(|line| line.contains(expected)), "{told:#?}");
    }
}
