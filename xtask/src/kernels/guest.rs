//! A guest: a kernel that QEMU runs in software, and what it says until it is off.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{
    package::Kernel,
    protocol::{Run, Transcript},
};
use crate::tool;

const QEMU: &str = "qemu-system-x86_64";
/// All that can be emulated but one instruction: QEMU 7.2 leaves wrong flags behind `cmpxchg16b`,
/// which the kernel's allocator uses where it is there. Kernel 6.12 died of it.
const CPU: &str = "max,cx16=off";
const MEMORY_MIB: &str = "1024";
/// Two, and two that could be plugged in, for which kernel maps have a part as well. (Kernel 7.2
/// takes those for impossible.)
const CPUS: &str = "2,maxcpus=4";
/// Where other guests have the CPUs, a timer can seem not to work: that is not checked. The last word tells
/// tests that this machine is theirs, so that they may take a CPU from it.
const COMMAND_LINE: &str = "console=ttyS0 panic=-1 quiet no_timer_check netweir.guest";
/// A guest that is not off by then is ended.
pub(super) const TIMEOUT: Duration = Duration::from_secs(25 * 60);

/// How often a kernel is booted that something else than a test brings down.
const BOOTS: u32 = 3;
/// How a kernel ends that QEMU before 8.1 has brought down: when the kernel patches itself while it runs, one
/// CPU may still run what was there before (its `accel/tcg: Always lock pages before translation` mends it).
/// Nothing that a test does can put such an instruction there.
const PATCHED: &str = "int3: 0000 [#";

/// Boots a kernel with an image, and hears it out; boots it again where something else than a test brings it
/// down. `folder` keeps what it said.
///
/// # Errors
/// Fails where QEMU does not start; a guest that stops early is none.
pub(super) fn run(kernel: &Kernel, image: &Path, folder: &Path) -> Result<Transcript> {
    let deadline = Instant::now() + TIMEOUT;
    for number in 1..BOOTS {
        let transcript = boot(kernel, image, folder, deadline)?;
        let is_over = transcript.done || Instant::now() >= deadline;
        if is_over || !is_brought_down(&transcript, &console(folder)) {
            return Ok(transcript);
        }
        println!(
            "{}: brought down by QEMU, or before the first test; it is booted again. Its console ends with\n{}",
            kernel.release,
            last_words(folder)
        );
        for log in ["console.log", "tests.log"] {
            fs::rename(folder.join(log), folder.join(format!("{number}-{log}")))
                .with_context(|| format!("keeping {log}"))?;
        }
    }
    boot(kernel, image, folder, deadline)
}

/// Whether a guest that stopped early was stopped by something else than a test. What has failed until then is not
/// to be forgotten.
fn is_brought_down(transcript: &Transcript, console: &str) -> bool {
    let has_failed = |run: &Run| !matches!(run.code, None | Some(0));
    let is_other = transcript.runs.is_empty() || console.contains(PATCHED);
    is_other && !transcript.runs.iter().any(has_failed)
}

fn boot(kernel: &Kernel, image: &Path, folder: &Path, deadline: Instant) -> Result<Transcript> {
    let mut qemu = start(kernel, image, folder)?;
    let output = qemu.0.stdout.take().context("the pipe of QEMU")?;
    let mut log = File::create(folder.join("tests.log")).context("making tests.log")?;
    let lines = read(output);
    let mut transcript = Transcript::default();
    // The pipe ends with QEMU.
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        writeln!(log, "{line}").context("writing tests.log")?;
        transcript.push(&line);
    }
    Ok(transcript)
}

/// The end of what the kernel said, for a guest that did not get through.
pub(super) fn last_words(folder: &Path) -> String {
    let console = console(folder);
    let lines: Vec<&str> = console.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn console(folder: &Path) -> String {
    let console = fs::read(folder.join("console.log")).unwrap_or_default();
    String::from_utf8_lossy(&console).into_owned()
}

/// A process that ends with this value.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

fn start(kernel: &Kernel, image: &Path, folder: &Path) -> Result<Qemu> {
    let console = format!("file:{}", folder.join("console.log").display());
    // Should this task be ended, so is QEMU.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", QEMU])
        .args(["-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", CPUS])
        .args(["-m", MEMORY_MIB, "-nodefaults", "-no-reboot"])
        .args(["-display", "none", "-serial", &console, "-serial", "stdio"])
        .args(cards())
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(image)
        .args(["-append", COMMAND_LINE])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let missing = || format!("starting {QEMU}: `scripts/check-deps kernels` gets it");
    tool::find(QEMU).with_context(missing)?;
    Ok(Qemu(command.spawn().with_context(missing)?))
}

/// Four network cards (virtio-net): the first and the second see each other, and so do the third and the
/// fourth, and nothing else does.
fn cards() -> impl Iterator<Item = String> {
    // Merged frames are none that XDP could have, and without the last but one the driver lets nobody
    // share memory with the card.
    const CARD: &str = "romfile=,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,\
                        disable-legacy=on,iommu_platform=on,mac=52:54:00:00:00:0";
    (0..4).flat_map(|number| {
        [
            "-netdev".to_owned(),
            format!("hubport,id=card{number},hubid={}", number / 2),
            "-device".to_owned(),
            format!("virtio-net-pci,netdev=card{number},{CARD}{number}"),
        ]
    })
}

/// The lines of a pipe; what is not UTF-8 in them is replaced.
fn read(pipe: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_brought_down_by_a_test_is_not_booted_again() {
        let mut transcript = Transcript::default();
        let (bug, patched) = (
            "BUG: kernel NULL pointer dereference",
            "Oops: int3: 0000 [#1] SMP",
        );
        assert!(is_brought_down(&transcript, bug));
        transcript.push("@netweir begin 1 kernel one");
        assert!(!is_brought_down(&transcript, bug));
        assert!(is_brought_down(&transcript, patched));
        transcript.push("@netweir end 2 101");
        assert!(!is_brought_down(&transcript, patched));
    }
}
