//! What the commands say, and what they take. They need no privilege where the file needs none.

use std::{fs, path::Path};

use netweir_tests::{Ended, Netweir};
use serde_json::Value;
use tempfile::TempDir;

/// A folder for a file of rules.
pub(super) struct Rules(TempDir);

impl Rules {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn call(&self, arguments: &[&str]) -> Netweir {
        let words = ["rule"].iter().chain(arguments).copied();
        Netweir::new(words).rules(self.folder().join("rules.toml"))
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        self.call(arguments).finish()
    }

    /// What a call prints that has to succeed.
    pub(super) fn told(&self, arguments: &[&str]) -> Vec<String> {
        let ended = self.run(arguments);
        let is_well = ended.status.code() == Some(0) && ended.log.is_empty();
        assert!(is_well, "{arguments:?}: {ended:#?}");
        ended.output
    }

    /// The same of a call as it is typed.
    pub(super) fn typed(&self, line: &str) -> Vec<String> {
        self.told(&line.split(' ').collect::<Vec<_>>())
    }

    /// The one line that a call prints that fails.
    pub(super) fn refused(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(
            (ended.status.code(), ended.output.len(), ended.log.len()),
            (Some(1), 0, 1),
            "{arguments:?}: {ended:#?}"
        );
        ended.log[0].clone()
    }

    /// Puts a file of the folder there, and tells its path.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn rules_are_added_listed_and_deleted() {
    let rules = Rules::new();
    let none = "there are no rules; `netweir rule add --help` says how to add one";
    assert_eq!(rules.typed("list"), [none]);
    assert_eq!(rules.typed("list --json"), [""; 0]);
    let to = [
        "--destination",
        "10.1.0.0/16",
        "--destination-port",
        "443",
        "--both-ways",
    ];
    let added = rules.told(&[&["add", "payments"][..], &to].concat());
    assert_eq!(added, ["rule 1 is added"]);
    rules.typed("add suspect --source 203.0.113.7 --action drop");
    rules.told(&[
        "add",
        "dns",
        "--protocol",
        "UDP",
        "--action",
        "sample 100",
        "--priority",
        "-5",
    ]);
    assert_eq!(
        rules.typed("list"),
        [
            "NUMBER  LABEL     ACTION      PRIORITY  SOURCE       DESTINATION  PROTOCOL  DESTINATION PORT  BOTH WAYS",
            "     2  suspect   drop        -         203.0.113.7  -            -         -                 -",
            "     1  payments  count       -         -            10.1.0.0/16  -         443               true",
            "     3  dns       sample 100  -5        -            -            udp       -                 -",
        ]
    );
    assert_eq!(
        rules.typed("list --format csv")[..2],
        [
            "number,label,action,priority,source,destination,protocol,source_port,destination_port,\
             both_ways,interface,direction,vlan,backend",
            "2,suspect,drop,,203.0.113.7,,,,,,,,,",
        ]
    );
    let json: Vec<Value> = rules
        .told(&["list", "--json"])
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = serde_json::json!({
        "number": 3, "label": "dns", "label_id": 3, "action": "sample 100", "priority": -5,
        "source": null, "destination": null, "protocol": "udp", "source_port": null,
        "destination_port": null, "both_ways": false, "interface": null, "direction": null,
        "vlan": null, "backend": null,
    });
    assert_eq!((json.len(), &json[2]), (3, &expected));
}

/// Neither is given to others soon.
#[test]
fn numbers_and_labels_last() {
    let rules = Rules::new();
    for rule in ["payments --vlan 1", "suspect --vlan 2", "dns --vlan 3"] {
        rules.typed(&format!("add {rule}"));
    }
    assert_eq!(rules.typed("del 1 2"), ["removed 2 rules"]);
    rules.typed("add dns --protocol tcp");
    assert_eq!(rules.typed("delete --label dns"), ["removed 2 rules"]);
    assert_eq!(rules.typed("add new"), ["rule 5 is added"]);
    rules.typed("add payments --vlan 1");
    let ids: Vec<Value> = rules
        .told(&["list", "--json"])
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["label_id"].clone())
        .collect();
    assert_eq!(ids, [4, 1]);
    assert_eq!(rules.typed("del --all"), ["removed 2 rules"]);
    assert_eq!(rules.typed("del --all"), ["removed 0 rules"]);
}

#[test]
fn a_rule_that_never_decides_is_told_of() {
    let rules = Rules::new();
    rules.typed("add one --source 10.0.0.0/8");
    rules.typed("add other --source 10.0.0.0/9");
    let add = ["add", "two", "--source", "10.0.0.0/8", "--action", "drop"];
    let ended = rules.run(&add);
    assert_eq!(ended.output, ["rule 3 is added"]);
    let told = "netweir: rule 3 never decides: rule 1 asks for the same and comes first";
    assert_eq!(ended.log, [told]);
    // Where it comes first itself, it is the other one.
    let ended = rules.run(&[&add[..], &["--priority", "1"]].concat());
    let told = [1, 3].map(|hidden| {
        format!("netweir: rule {hidden} never decides: rule 4 asks for the same and comes first")
    });
    assert_eq!(ended.log, told);
    let file = rules.file("all.toml", &rules.typed("export").join("\n"));
    assert_eq!(rules.run(&["load", &file]).log, told);
}

#[test]
fn a_packet_is_asked_about() {
    let rules = Rules::new();
    let none = "no rule matches: the packet is counted, without a label";
    assert_eq!(rules.typed("test 10.0.0.1 10.0.0.2"), [none]);
    rules.typed("add wide --source 10.0.0.0/8 --priority 9");
    rules.typed("add web --source 10.1.0.0/16 --destination-port 443");
    rules.typed("add urgent --source 10.1.0.0/16 --priority 1 --action drop");
    rules.typed("add late --source 10.1.0.0/16 --protocol tcp");
    rules.typed("add elsewhere --source 10.1.0.0/16 --interface eth9");
    rules.typed("add six --source 2001:db8::/32 --vlan 7 --direction out");
    let asked = ["test", "10.1.2.3:5000", "10.9.8.7:443"];
    assert_eq!(
        rules.told(&asked),
        [
            "rule 3 decides: label urgent, action drop",
            "",
            "NUMBER  LABEL   ACTION  PREFIX BITS  PRIORITY  WHY",
            "     3  urgent  drop             16         1  decides",
            "     2  web     count            16         0  its priority is lower",
            "     4  late    count            16         0  its priority is lower",
            "     1  wide    count             8         9  its prefixes are shorter",
        ]
    );
    let json = rules.told(&[&asked[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!(
        (&json["number"], &json["label"], &json["action"]),
        (&3.into(), &"urgent".into(), &"drop".into())
    );
    assert_eq!(json["matching"][3]["reason"], "its prefixes are shorter");
    rules.typed("del 3");
    assert_eq!(
        rules.told(&asked)[4],
        "     4  late   count            16         0  it is newer"
    );
    let six = [
        "test",
        "[2001:db8::1]:5",
        "[::1]:53",
        "--vlan",
        "7",
        "--direction",
        "out",
    ];
    assert_eq!(
        rules.told(&six)[0],
        "rule 6 decides: label six, action count"
    );
    let on = [
        "test",
        "10.1.2.3",
        "10.9.8.7",
        "--protocol",
        "icmp",
        "-i",
        "eth9",
    ];
    assert_eq!(
        rules.told(&on)[0],
        "rule 5 decides: label elsewhere, action count"
    );
}

#[test]
fn what_is_exported_is_loaded_again() {
    let [here, there] = [Rules::new(), Rules::new()];
    here.told(&[
        "add",
        "a",
        "--source",
        "10.0.0.0/8",
        "--source-port",
        "0-1023",
    ]);
    here.told(&[
        "add",
        "b",
        "--interface",
        "007",
        "--vlan",
        "0",
        "--backend",
        "0",
    ]);
    here.told(&[
        "add",
        "c",
        "--interface",
        "\"\\\u{1}é\u{7f}",
        "--protocol",
        "47",
    ]);
    let exported = here.told(&["export"]).join("\n");
    let loaded = there
        .call(&["load", "-"])
        .input(exported.clone().into_bytes());
    assert_eq!(loaded.finish().output, ["there are 3 rules now"]);
    assert_eq!(there.told(&["export"]).join("\n"), exported);
    let before = there.told(&["list", "--json"]);
    let file = there.file("again.toml", &exported);
    assert_eq!(there.told(&["load", &file]), ["there are 3 rules now"]);
    assert_eq!(
        there.told(&["list", "--json"]),
        before,
        "who was there keeps its number"
    );
    let empty = there.file("empty.toml", "");
    let refused = there.refused(&["load", &empty]);
    assert!(refused.contains("empty.toml has no rules"), "{refused}");
    assert_eq!(there.told(&["list", "--json"]), before);
}
