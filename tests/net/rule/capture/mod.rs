//! What rules sample, as capture files that others can read.

mod output;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use netweir_tests::{Netweir, World, await_that, is_root};
use rustix::process::Signal;

use super::{
    live::{PORTS, Talk},
    rule,
};

/// Datagrams to each port.
const SOME: u64 = 40;
/// Of each packet: number, interface, bytes on the wire, direction (1 is in), port, comment.
const FIELDS: [&str; 6] = [
    "frame.number",
    "frame.interface_name",
    "frame.len",
    "frame.packet_flags_direction",
    "udp.dstport",
    "frame.comment",
];

/// A world with a rule for each of two ports that samples all, and a folder for files.
struct Sampled {
    world: World,
    talk: Talk,
    folder: tempfile::TempDir,
}

impl Sampled {
    fn new() -> Self {
        let world = World::new();
        for (label, port) in ["named", "beside"].into_iter().zip(PORTS) {
            let port = port.to_string();
            let about = ["add", label, "--destination-port", &port];
            rule(&world, &[&about[..], &["--action", "sample 1"]].concat());
        }
        let talk = Talk::new(&world.far, &world.near);
        let folder = tempfile::tempdir().unwrap();
        Self {
            world,
            talk,
            folder,
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn capture(&self, file: &str, arguments: &[&str]) -> Netweir {
        let place = self.place(file);
        let fixed = ["capture", "--iface", "w0", "-w", place.to_str().unwrap()];
        Netweir::new(fixed.iter().chain(arguments).copied())
            .rules(self.world.rules())
            .netns(&self.world.near)
    }

    /// Sends packets until that is so. (A program whose log nobody reads does not say when it is attached.)
    fn send_until(&self, mut is_so: impl FnMut() -> bool) {
        await_that(|| {
            self.talk.exchange(1);
            is_so().then_some(()).ok_or_else(|| "it goes on".to_owned())
        });
    }

    /// The files that there are, by name.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

/// What tshark reads of a file: the fields of each packet.
fn packets(file: &Path) -> Vec<Vec<String>> {
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-T", "fields", "-r"]).arg(file);
    for field in FIELDS {
        tshark.args(["-e", field]);
    }
    let output = tshark.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && !told.contains("cut short"),
        "{told}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.split('\t').map(Into::into));
    lines.map(Iterator::collect).collect()
}

/// The line about the file, which is the last one.
fn last(log: &[String]) -> &str {
    log.last().unwrap()
}

#[test]
fn what_rules_sample_is_written_for_others() {
    if !is_root() {
        return;
    }
    let sampled = Sampled::new();
    // One that was there, and that others may read.
    let file = sampled.place("named.pcapng");
    fs::write(&file, [7; 10_000]).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let count = SOME.to_string();
    let child = sampled
        .capture("named.pcapng", &["--label", "named", "--count", &count])
        .meter();
    assert_eq!(sampled.talk.exchange(SOME), SOME);
    // It ends by itself.
    let ended = child.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let read = packets(&file);
    assert_eq!(read.len() as u64, SOME);
    for (number, fields) in (1..).zip(&read) {
        let number = u64::to_string(&number);
        let expected = [
            &number,
            "w0",
            "142",
            "0x00000001",
            "7001",
            "label=named rule=1 action=sample",
        ];
        assert_eq!(fields, &expected);
    }
    let bytes = fs::metadata(&file).unwrap().len();
    let told = last(&ended.log);
    assert!(
        told.starts_with(&format!(
            "netweir: {SOME} packets written to {}",
            file.display()
        )) && told.contains("others did not match"),
        "{told}"
    );
    let info = Command::new("capinfos")
        .args(["-M", "-c", "-s"])
        .arg(&file)
        .output()
        .unwrap();
    let info = String::from_utf8(info.stdout).unwrap();
    for line in [
        format!("Number of packets:   {SOME}"),
        format!("File size:           {bytes} bytes"),
    ] {
        assert!(info.contains(&line), "{info}");
    }
    // We read it too.
    let replayed = Netweir::new(["replay", "--format", "json", file.to_str().unwrap()]).finish();
    let flow: serde_json::Value = serde_json::from_str(&replayed.output[0]).unwrap();
    assert_eq!(
        (&flow["packets"], &flow["destination_port"]),
        (&SOME.into(), &PORTS[0].into())
    );
}

#[test]
fn both_filters_hold_and_what_is_left_out_is_told() {
    if !is_root() {
        return;
    }
    let sampled = Sampled::new();
    let filter = format!("port {} and in", PORTS[1]);
    for (label, written) in [(&[][..], SOME), (&["--label", "named"], 0)] {
        let arguments = [&["--filter", &filter], label].concat();
        let child = sampled.capture("some.pcapng", &arguments).meter();
        assert_eq!(sampled.talk.exchange(SOME), SOME);
        let ended = child.end(Signal::INT);
        assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
        let told = last(&ended.log);
        let others = 2 * SOME - written;
        assert!(
            told.starts_with(&format!("netweir: {written} packets written to "))
                && told.ends_with(&format!(", {others} others did not match")),
            "{told}"
        );
        assert_eq!(packets(&sampled.place("some.pcapng")).len() as u64, written);
    }
}

#[test]
fn a_ring_keeps_the_last_files() {
    if !is_root() {
        return;
    }
    let sampled = Sampled::new();
    let child = sampled
        .capture("ring.pcapng", &["--size", "2kB", "--ring", "3"])
        .meter();
    assert_eq!(sampled.talk.exchange(SOME), SOME);
    let ended = child.end(Signal::TERM);
    let files = sampled.files();
    assert_eq!(files.len(), 3, "{files:?}");
    let read: Vec<_> = files
        .iter()
        .map(|name| packets(&sampled.place(name)))
        .collect();
    let [oldest, middle, _] = &read[..] else {
        panic!("{read:?}")
    };
    assert_eq!(oldest.len(), middle.len());
    for name in &files[..2] {
        let bytes = fs::metadata(sampled.place(name)).unwrap().len();
        assert!((2000..2300).contains(&bytes), "{bytes}");
    }
    let all = 2 * SOME;
    let number = all.div_ceil(oldest.len() as u64);
    assert_eq!(files[2], format!("ring_{number:05}.pcapng"));
    let last_file = sampled.place(&files[2]);
    let expected = format!(
        "netweir: {all} packets written to {number} files, of which 3 are left, the last one {} (",
        last_file.display()
    );
    assert!(last(&ended.log).starts_with(&expected), "{:?}", ended.log);
}

#[test]
fn it_ends_with_its_bytes_and_with_its_time() {
    if !is_root() {
        return;
    }
    let sampled = Sampled::new();
    let child = sampled.capture("size.pcapng", &["--size", "1kB"]).meter();
    assert_eq!(sampled.talk.exchange(SOME), SOME);
    assert_eq!(child.wait().status.code(), Some(0));
    let file = sampled.place("size.pcapng");
    let bytes = fs::metadata(&file).unwrap().len();
    assert!((1000..1300).contains(&bytes), "{bytes}");
    assert!(!packets(&file).is_empty());
    let ended = sampled
        .capture("time.pcapng", &["--time", "300ms"])
        .finish();
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    assert!(packets(&sampled.place("time.pcapng")).is_empty());
}

/// How a capture that does not begin ends, and what it says.
fn refused(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let ended = Netweir::new([&["capture"], arguments].concat())
        .rules(world.rules())
        .netns(&world.near)
        .finish();
    (ended.status.code(), ended.log.join("\n"))
}

#[test]
fn where_nothing_can_be_captured_an_old_file_stays() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.pcapng");
    fs::write(&old, "old").unwrap();
    let arguments = ["--iface", "nope", "-w", old.to_str().unwrap()];
    let (code, text) = refused(&world, &arguments);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("samples anything") && text.contains("netweir rule add"),
        "{text}"
    );
    let elsewhere = "a running `netweir inline`";
    assert!(!text.contains(elsewhere), "{text}");
    rule(&world, &["add", "tapped", "--action", "tap"]);
    let (_, text) = refused(&world, &arguments);
    assert!(
        text.contains("samples anything") && text.contains(elsewhere),
        "{text}"
    );
    rule(&world, &["add", "all", "--action", "sample 1"]);
    let (code, text) = refused(&world, &arguments);
    assert_eq!(code, Some(1));
    assert!(text.contains("no interface nope"), "{text}");
    for (label, is_tapped) in [("tapped", true), ("none", false)] {
        let (_, text) = refused(&world, &[&arguments[..], &["--label", label]].concat());
        assert!(text.contains("gives the label"), "{text}");
        assert_eq!(text.contains(elsewhere), is_tapped, "{text}");
    }
    assert_eq!(fs::read_to_string(&old).unwrap(), "old");
}

/// Flags behind `-w`, the exit code, and what is said.
const WRONG: [(&[&str], i32, &str); 11] = [
    (&["/dev/full"], 1, "cannot write /dev/full"),
    (&["/nowhere/a"], 1, "cannot write /nowhere/a: No such file"),
    (&["/dev/null", "--filter", "port"], 1, "column"),
    (
        &["-", "--size", "1kB", "--ring", "2"],
        1,
        "-w has to name one",
    ),
    (
        &["/dev/null", "--set", "rules.heads_per_second=0"],
        1,
        "heads_per_second is 0",
    ),
    (&["/dev/null", "--ring", "2"], 2, "--size"),
    (
        &["/dev/null", "--size", "2 kB"],
        2,
        "is not a number of bytes",
    ),
    (&["/dev/null", "--count", "0"], 2, "--count"),
    (&["/dev/null", "--size", "0"], 2, "is not a number of bytes"),
    (&["/dev/null", "--label", "al"], 1, "the label \"al\""),
    (&[], 2, "--write"),
];

#[test]
fn what_cannot_be_captured_is_told() {
    if !is_root() {
        return;
    }
    let world = World::new();
    rule(&world, &["add", "all", "--action", "sample 1"]);
    for (arguments, code, says) in WRONG {
        let (ended, text) = refused(&world, &[&["--iface", "w0", "-w"], arguments].concat());
        assert_eq!(ended, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {text}");
    }
}
