//! What `netweir capture` is told of tapped frames by the process that they go by.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use netweir_tests::{Bump, Child, Ended, Load, Netweir, Sender, await_that};
use rustix::{
    process::{Pid, Signal, Uid, kill_process},
    thread::set_thread_res_uid,
};

use super::{
    bump,
    capture::{SOME, exchange, text, two_rules},
};

/// What the log says when a capture is told all.
const CAPTURING: &str = "capturing what rules tap";

/// A bump as it comes; none without root.
fn by_default() -> Option<Bump> {
    bump(1500).map(|bump| bump.by("auto"))
}

/// A folder for captures of what goes by a bump.
struct Captures<'a> {
    bump: &'a Bump,
    folder: tempfile::TempDir,
}

impl<'a> Captures<'a> {
    fn of(bump: &'a Bump) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { bump, folder }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn call(&self, file: &Path, arguments: &[&str]) -> Netweir {
        let fixed = ["capture", "-w", file.to_str().unwrap()];
        Netweir::new(fixed.iter().chain(arguments).copied())
            .rules(self.bump.rules())
            .netns(&self.bump.middle)
    }

    /// Captures what goes by `b0`, from now on.
    fn start(&self, name: &str, arguments: &[&str]) -> Child {
        let all = [&["--iface", "b0"], arguments].concat();
        let child = self.call(&self.place(name), &all).start();
        child.await_log(CAPTURING, 1);
        child
    }

    /// Interface, length, captured length, port and comment of each packet of a file.
    fn rows(&self, name: &str) -> Vec<String> {
        let place = self.place(name);
        let fields = [
            "frame.interface_name",
            "frame.len",
            "frame.cap_len",
            "udp.dstport",
            "frame.comment",
        ];
        let mut arguments = vec!["-n", "-r", place.to_str().unwrap(), "-T", "fields"];
        arguments.extend(fields.iter().flat_map(|field| ["-e", *field]));
        let rows = text("tshark", &arguments);
        rows.lines().map(ToOwned::to_owned).collect()
    }
}

/// The last line, which is that of the file.
fn last(ended: &Ended) -> &str {
    assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
    ended.log.last().unwrap()
}

#[test]
fn it_is_told_whole_frames_while_others_are_written() {
    let Some(bump) = by_default() else { return };
    two_rules(&bump);
    let captures = Captures::of(&bump);
    let all = captures.place("all.pcapng");
    let inline = bump.start(&["-w", all.to_str().unwrap(), "--snap", "100"]);
    let one = captures.start("one.pcapng", &["--label", "one"]);
    let two = captures.start("two.pcapng", &["--filter", "port 7002", "--snap", "300"]);
    let first = captures.start("first.pcapng", &["--count", "7"]);
    exchange(&bump);
    assert!(last(&first.wait()).contains(": 7 packets written to"));
    for (child, name, port, bytes) in [(one, "one", "7001", "1042"), (two, "two", "7002", "300")] {
        let ended = child.end(Signal::INT);
        let expected = format!("netweir: {SOME} packets written to ");
        let told = last(&ended);
        assert!(told.starts_with(&expected), "{told}");
        assert!(
            told.ends_with(&format!(", {SOME} others did not match")),
            "{told}"
        );
        let rows = captures.rows(&format!("{name}.pcapng"));
        assert_eq!(rows.len() as u64, SOME);
        for row in rows {
            let expected = format!("b0\t1042\t{bytes}\t{port}\tlabel={name} rule=");
            assert!(
                row.starts_with(&expected) && row.contains("action=tap queue="),
                "{row}"
            );
        }
    }
    // Who comes later is told what comes later.
    let later = captures.start("later.pcapng", &[]);
    assert!(last(&later.end(Signal::TERM)).contains(": 0 packets written to"));
    let ended = inline.end(Signal::INT);
    let written = format!("netweir: {} packets written", 2 * SOME);
    assert!(
        ended.log.iter().any(|line| line.starts_with(&written)),
        "{ended:#?}"
    );
    let rows = captures.rows("all.pcapng");
    assert!(rows.iter().all(|row| row.contains("\t100\t")), "{rows:?}");
}

#[test]
fn a_ring_of_files_and_the_other_interface() {
    let Some(bump) = by_default() else { return };
    two_rules(&bump);
    let captures = Captures::of(&bump);
    let inline = bump.start(&[]);
    let ring = captures.start("ring.pcapng", &["--size", "20kB", "--ring", "2"]);
    // Nothing comes by the other one.
    let other = captures.call(&captures.place("other.pcapng"), &["--iface", "b1"]);
    let other = other.start();
    other.await_log(CAPTURING, 1);
    exchange(&bump);
    let told = other.end(Signal::INT);
    assert!(last(&told).contains(": 0 packets written to"), "{told:#?}");
    let told = ring.end(Signal::INT);
    assert!(
        last(&told).starts_with(&format!("netweir: {} packets written to", 2 * SOME)),
        "{told:#?}"
    );
    let rings = fs::read_dir(captures.folder.path()).unwrap();
    let mut rings: Vec<_> = rings
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("ring_"))
        .collect();
    rings.sort();
    assert_eq!(rings.len(), 2, "{rings:?}");
    for name in rings {
        assert!(!captures.rows(&name).is_empty(), "{name}");
    }
    drop(inline.end(Signal::INT));
}

#[test]
fn it_ends_with_the_process_that_tells() {
    let Some(bump) = by_default() else { return };
    two_rules(&bump);
    let captures = Captures::of(&bump);
    let inline = bump.start(&[]);
    let capture = captures.start("ended.pcapng", &[]);
    exchange(&bump);
    drop(inline.end(Signal::INT));
    let ended = capture.wait();
    assert!(
        last(&ended).starts_with(&format!("netweir: {} packets written to", 2 * SOME)),
        "{ended:#?}"
    );
    let inline = bump.start(&[]);
    let process = inline.process();
    let capture = captures.start("died.pcapng", &[]);
    drop(inline.end(Signal::KILL));
    let ended = capture.wait();
    let died = format!("process {process} has died");
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    assert!(last_line(&ended).contains(&died), "{ended:#?}");
    // Now nobody tells, and nobody samples.
    let ended = captures.call(Path::new("-"), &["--iface", "b0"]).finish();
    let (code, told) = ended.failure();
    assert_eq!(code, Some(1), "{ended:#?}");
    assert!(told[0].contains("a running `netweir inline`"), "{told:?}");
}

fn last_line(ended: &Ended) -> &str {
    ended.log.last().unwrap()
}

#[test]
fn what_cannot_be_told_is_said() {
    let Some(bump) = by_default() else { return };
    two_rules(&bump);
    let captures = Captures::of(&bump);
    let inline = bump.start(&[]);
    let old = captures.place("old.pcapng");
    fs::write(&old, "old").unwrap();
    // A label that no rule gives.
    let ended = captures
        .call(&old, &["--iface", "b0", "--label", "three"])
        .finish();
    let (code, told) = ended.failure();
    assert_eq!(code, Some(1), "{ended:#?}");
    assert!(told[0].contains("samples anything"), "{told:?}");
    let more = ["--iface", "b0", "--iface", "nope"];
    let ended = captures.call(&old, &more).finish();
    let (code, told) = ended.failure();
    assert_eq!(code, Some(1), "{ended:#?}");
    assert!(told[0].contains("no interface nope"), "{told:?}");
    // A process that stands still.
    let pid = Pid::from_raw(inline.process().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let ended = captures.call(&old, &["--iface", "b0"]).finish();
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(ended.failure().0, Some(1), "{ended:#?}");
    let log = ended.log.join("\n");
    assert!(log.contains("it does not answer"), "{log}");
    assert_eq!(fs::read_to_string(&old).unwrap(), "old");
    // It goes on as before.
    let capture = captures.start("new.pcapng", &["--count", "1"]);
    exchange(&bump);
    assert!(last(&capture.wait()).contains(": 1 packet written"));
    drop(inline.end(Signal::INT));
}

#[test]
fn what_comes_too_fast_is_counted() {
    let Some(bump) = by_default() else { return };
    bump.rule("fast", &["--destination-port", "5000", "--action", "tap"]);
    let captures = Captures::of(&bump);
    let server = bump.serve(&[]);
    let capture = captures.start("fast.pcapng", &[]);
    let pid = Pid::from_raw(capture.process().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let sender = Sender::open(&bump.client.netns, "c0").unwrap();
    let load = Load {
        packets: 150_000,
        per_second: None,
        at_most: Duration::from_secs(20),
    };
    let sent = sender.send(load, |number| number as u32 % 16).unwrap();
    assert!(sent > 100_000, "{sent}");
    let tapped = await_that(|| {
        let told = server.get("/api/accounting");
        let line = &told["inline"][0];
        let number = |name: &str| line[name].as_u64().unwrap_or_default();
        let told = number("recorded") + number("unrecorded");
        let is_whole = number("seen") >= sent && line["in_tap"] == 0;
        match is_whole && told > 0 && told == number("tapped") {
            true => Ok(told),
            false => Err(line.to_string()),
        }
    });
    kill_process(pid, Signal::CONT).unwrap();
    let ended = capture.end(Signal::INT);
    let line = last(&ended);
    let count = |behind: &str| {
        let before = line.split(behind).next().unwrap();
        let word = before.rsplit(' ').next().unwrap();
        word.parse::<u64>().unwrap_or_else(|_| panic!("{line}"))
    };
    let (written, missing) = (count(" packets written"), count(" came too fast"));
    assert!(written > 0 && missing > 0, "{line}");
    assert_eq!(written + missing, tapped, "{line}");
    assert!(
        !line.contains("did not match") && !line.contains("more were"),
        "{line}"
    );
    drop(server.child.end(Signal::INT));
}

/// A connection to the socket of a process.
fn connected(inline: &Child) -> UnixStream {
    let list = fs::read_to_string("/proc/net/unix").unwrap();
    let ending = format!("-{}", inline.process());
    let mut words = list.split_ascii_whitespace();
    let name = words.find(|word| word.starts_with("@netweir/") && word.ends_with(&ending));
    let address = SocketAddr::from_abstract_name(&name.unwrap()[1..]).unwrap();
    UnixStream::connect_addr(&address).unwrap()
}

/// What a process says to who asks that.
fn says(inline: &Child, question: &[u8]) -> Vec<String> {
    let mut stream = connected(inline);
    // One that has refused already hears nothing more.
    let _heard = stream.write_all(question);
    let _ended = stream.shutdown(Shutdown::Write);
    BufReader::new(stream)
        .lines()
        .map_while(Result::ok)
        .collect()
}

#[test]
fn who_asks_for_nonsense_is_told_so() {
    let Some(bump) = by_default() else { return };
    two_rules(&bump);
    let inline = bump.start(&[]);
    let filter = r#"{"version":1,"interfaces":[],"filter":"port","label":null,"bytes":60}"#;
    let newer = r#"{"version":2,"interfaces":[],"filter":null,"label":null,"bytes":60}"#;
    for (question, expected) in [
        ("\n", "not understood"),
        ("", "not understood"),
        (filter, "column"),
        (newer, "version 2"),
    ] {
        let told = says(&inline, format!("{question}\n").as_bytes());
        assert!(told[0].contains(r#""labels":["one","two"]"#), "{told:?}");
        assert!(
            told[1].contains("refused") && told[1].contains(expected),
            "{told:?}"
        );
        assert_eq!(told.len(), 2, "{told:?}");
    }
    // It goes on as before, and who says nothing does not keep it.
    let captures = Captures::of(&bump);
    let capture = captures.start("one.pcapng", &["--count", "1"]);
    exchange(&bump);
    assert!(last(&capture.wait()).contains(": 1 packet written"));
    let silent = connected(&inline);
    assert_eq!(inline.end(Signal::INT).status.code(), Some(0));
    drop(silent);
}

#[test]
fn no_more_than_sixteen_ask_at_a_time() {
    let Some(bump) = by_default() else { return };
    two_rules(&bump);
    let captures = Captures::of(&bump);
    let inline = bump.start(&[]);
    let name = |number: u32| format!("{number}.pcapng");
    let all: Vec<Child> = (0..16)
        .map(|number| captures.start(&name(number), &[]))
        .collect();
    let ended = captures
        .call(&captures.place("more.pcapng"), &["--iface", "b0"])
        .finish();
    let log = ended.log.join("\n");
    assert_eq!(ended.status.code(), Some(1), "{log}");
    assert!(log.contains("16 ask already"), "{log}");
    exchange(&bump);
    for child in all {
        let ended = child.end(Signal::INT);
        let expected = format!("netweir: {} packets written to", 2 * SOME);
        assert!(last(&ended).starts_with(&expected), "{ended:#?}");
    }
    // There is room again.
    let later = captures.start("later.pcapng", &[]);
    assert_eq!(later.end(Signal::INT).status.code(), Some(0));
    drop(inline.end(Signal::INT));
}

/// A pattern that fits more than what crosses: the others are captured by hooks of the capture's own.
#[test]
fn what_does_not_cross_is_captured_beside_it() {
    let Some(bump) = by_default() else { return };
    two_rules(&bump);
    bump.rule("all", &["--protocol", "udp", "--action", "sample 1"]);
    let captures = Captures::of(&bump);
    let inline = bump.start(&[]);
    let both = ["--iface", "b*", "--iface", "lo", "--label", "one"];
    let capture = captures.call(&captures.place("one.pcapng"), &both).start();
    capture.await_log(CAPTURING, 1);
    exchange(&bump);
    let ended = capture.end(Signal::INT);
    assert!(
        last(&ended).starts_with(&format!("netweir: {SOME} packets written to")),
        "{ended:#?}"
    );
    assert!(
        !ended.log.iter().any(|line| line.contains("not metered")),
        "{ended:#?}"
    );
    drop(inline.end(Signal::INT));
}

/// Neither does somebody else hear what crosses, nor is somebody else believed.
#[test]
fn strangers_are_told_nothing_and_not_believed() {
    let Some(bump) = by_default() else { return };
    two_rules(&bump);
    let captures = Captures::of(&bump);
    let inline = bump.start(&[]);
    let told = thread::scope(|scope| {
        let ask = || {
            let nobody = Uid::from_raw(65_534);
            set_thread_res_uid(nobody, nobody, nobody).unwrap();
            says(&inline, b"")
        };
        scope.spawn(ask).join().unwrap()
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("refused"), "{told:?}");
    drop(inline.end(Signal::INT));
    // Names that are no text, and a process that only looks like one of the path.
    let odd = SocketAddr::from_abstract_name(b"\xff\xfe").unwrap();
    let _odd = UnixListener::bind_addr(&odd).unwrap();
    let name = format!("netweir/inline/{}-1", bump.middle.netns.inode());
    let silent = SocketAddr::from_abstract_name(name).unwrap();
    let silent = UnixListener::bind_addr(&silent).unwrap();
    let inline = bump.start(&[]);
    let capture = captures.start("one.pcapng", &["--count", "1"]);
    capture.await_log("it does not say who it is", 1);
    exchange(&bump);
    assert!(last(&capture.wait()).contains(": 1 packet written"));
    drop((silent, inline.end(Signal::INT)));
}
