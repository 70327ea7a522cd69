//! Where a capture is written to: standard output, pipes, and disks that are full.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
};

use netweir_tests::{binary, is_root};
use rustix::process::Signal;

use super::{SOME, Sampled, last, packets};

/// Captures to standard output; ends by itself also when the test fails.
fn start(sampled: &Sampled, arguments: &[&str], output: impl Into<Stdio>) -> Child {
    Command::new(binary())
        .args(["capture", "--iface", "w0", "-w", "-", "--time", "60s"])
        .args(arguments)
        .arg("--netns")
        .arg(sampled.world.near.netns.path())
        .env("NETWEIR_CONFIG", "/dev/null")
        .env("NETWEIR_RULES_FILE", sampled.world.rules())
        .stdout(output)
        .spawn()
        .unwrap()
}

#[test]
fn standard_output_takes_it_too() {
    if !is_root() {
        return;
    }
    let sampled = Sampled::new();
    let place = sampled.place("out.pcapng");
    let file = File::create(&place).unwrap();
    let mut child = start(&sampled, &["--count", "5"], file);
    sampled.send_until(|| child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
    assert_eq!(packets(&place).len(), 5);
}

#[test]
fn where_nobody_reads_any_more_it_ends_without_a_complaint() {
    if !is_root() {
        return;
    }
    let sampled = Sampled::new();
    let mut child = start(&sampled, &[], Stdio::piped());
    drop(child.stdout.take());
    sampled.send_until(|| child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_full_disk_ends_it_with_a_file_that_can_be_read() {
    if !is_root() {
        return;
    }
    let sampled = Sampled::new();
    let disk = sampled.place("disk");
    fs::create_dir(&disk).unwrap();
    let disk = disk.to_str().unwrap();
    // In a mount namespace of its own, so that nothing is left behind.
    let script = format!(
        "mount -t tmpfs -o size=8k tmpfs {disk} && \
         {{ {} capture --iface w0 --netns {} --time 60s -w {disk}/full.pcapng 2> told; echo $? > code; }}; \
         cp {disk}/full.pcapng .",
        binary().display(),
        sampled.world.near.netns.path().display(),
    );
    let mut child = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .current_dir(sampled.folder.path())
        .env("NETWEIR_CONFIG", "/dev/null")
        .env("NETWEIR_RULES_FILE", sampled.world.rules())
        .spawn()
        .unwrap();
    sampled.send_until(|| child.try_wait().unwrap().is_some());
    let text = |name| fs::read_to_string(sampled.place(name)).unwrap();
    assert_eq!(text("code"), "1\n");
    let told = text("told");
    let error = "No space left on device (os error 28)\n";
    assert!(told.ends_with(error), "{told}");
    let read = packets(&sampled.place("full.pcapng")).len();
    // Two pages, of about 260 bytes a packet.
    assert!(read > 20, "{read}");
    let written = format!("netweir: {read} packets written to ");
    assert!(told.contains(&written), "{told}");
}

/// Whoever reads may take its time, and none: signals and `--time` end it all the same, and say what was not
/// written.
#[test]
fn a_reader_that_stands_still_does_not_keep_it() {
    if !is_root() {
        return;
    }
    let sampled = Sampled::new();
    let pipe = sampled.place("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let nobody = sampled.capture("pipe", &["--time", "300ms"]).finish();
    let (code, told) = nobody.failure();
    assert_eq!(code, Some(1));
    assert!(told[0].ends_with("nobody reads from it"), "{told:?}");
    let mut log = nobody.log.iter();
    assert!(
        log.any(|line| line.contains("waiting for a reader of ")),
        "{nobody:#?}"
    );
    for ends in ["signal", "time"] {
        let arguments = if ends == "time" {
            &["--time", "3s"][..]
        } else {
            &[]
        };
        let child = sampled.capture("pipe", arguments).meter();
        // It is opened for reading once all is attached, and never read.
        let reader = File::open(&pipe).unwrap();
        // More than a pipe has room for.
        for _ in 0..10 {
            assert_eq!(sampled.talk.exchange(SOME), SOME);
        }
        let ended = if ends == "time" {
            child.wait()
        } else {
            child.end(Signal::TERM)
        };
        assert_eq!(ended.status.code(), Some(0), "{ended:#?}");
        let told = last(&ended.log);
        let numbers: Vec<u64> = told
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [written, left] = numbers[..] else {
            panic!("{told}")
        };
        assert!(
            told.ends_with(" more were not written") && left > 0,
            "{told}"
        );
        // The time may be over before all is sent.
        let all = written + left;
        assert!(
            all == 20 * SOME || ends == "time" && all < 20 * SOME,
            "{told}"
        );
        drop(reader);
    }
}
