//! `cargo xtask kernels`: rings 3 and 4 on other kernels than that of this machine.
//!
//! Debian's cloud kernels boot in QEMU, in software, with an image that has little more than the
//! tests. Everything is fetched, unpacked and made in `target/kernels/`. What a guest says is read
//! from its serial port; what kernels are known to have is in `expect.rs`.

mod archive;
mod binary;
mod cpio;
mod expect;
mod guest;
mod image;
mod module;
mod package;
mod protocol;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};

use crate::repository;
use expect::Outcome;
use image::Programs;
use package::Kernel;
use protocol::Transcript;

/// A series of kernels, and the suites of Debian that have one of it.
struct Series {
    name: &'static str,
    suites: &'static [&'static str],
}

const SERIES: [Series; 4] = [
    Series {
        name: "5.10",
        suites: &["bullseye-security"],
    },
    Series {
        name: "6.1",
        suites: &["bookworm"],
    },
    Series {
        name: "6.12",
        suites: &["trixie", "bookworm-backports"],
    },
    // Much shorter lists first.
    Series {
        name: "7.2",
        suites: &["trixie-backports", "sid"],
    },
];

/// A test as guests know it: the test program, a space, its name there.
type Test = String;

/// What is run beside the tests; its statements are judged as well.
const DOCTOR: &str = "doctor statements";

/// Guests that run at once: as much as their tests do one after the other, two of them get through
/// in less time on two CPUs.
const AT_ONCE: usize = 2;

/// No suite of the archive has a kernel, or the archive cannot be reached: not a failed test.
#[derive(Debug)]
pub(crate) struct Absent {
    series: &'static str,
    reason: String,
}

impl fmt::Display for Absent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { series, reason } = self;
        write!(formatter, "kernel packages absent: {series}: {reason}")
    }
}

impl std::error::Error for Absent {}

/// Run the tests of rings 3 and 4 on other kernels, in QEMU.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these kernels (5.10, 6.1, 6.12, 7.2), separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only tests with this in their names (`kernel load::…`, `net hooks::…`, `doctor`).
    #[arg(long, default_value = "")]
    filter: String,
}

/// What came out on one kernel.
struct Report {
    line: String,
    /// What is to be said of failures.
    failures: Vec<String>,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<()> {
    let chosen = chosen(&args.only)?;
    let binaries = binary::build()?;
    let tests = binary::tests(&binaries, &args.filter)?;
    if tests.is_empty() {
        bail!("no test has `{}` in its name", args.filter);
    }
    let programs = Programs::read(&binaries, &folder().join("programs"))?;
    let mut guests = Vec::new();
    let mut absent = None;
    for series in chosen {
        match prepare(series, &programs, &tests) {
            Ok(guest) => guests.push(guest),
            Err(error) if error.is::<Absent>() => {
                println!("{:28} {error}", series.name);
                absent = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    let mut failures = Vec::new();
    for transcript in run_all(guests)? {
        let report = report(&transcript, &tests);
        println!("{}", report.line);
        failures.extend(report.failures);
    }
    for failure in &failures {
        println!("\n{failure}");
    }
    match (failures.len(), absent) {
        (0, None) => Ok(()),
        (0, Some(error)) => Err(error),
        (number, _) => Err(anyhow!("{number} failures on other kernels")),
    }
}

fn folder() -> PathBuf {
    repository::root().join("target/kernels")
}

/// The kernels that were asked for; all if none was.
fn chosen(only: &[String]) -> Result<Vec<&'static Series>> {
    for name in only {
        if !SERIES.iter().any(|series| series.name == name) {
            bail!(
                "no kernel {name}: there are {}",
                SERIES.map(|series| series.name).join(", ")
            );
        }
    }
    let is_chosen =
        |series: &&Series| only.is_empty() || only.iter().any(|name| name == series.name);
    Ok(SERIES.iter().filter(is_chosen).collect())
}

/// A guest that can be started.
struct Guest {
    kernel: Kernel,
    image: PathBuf,
    folder: PathBuf,
}

/// What a guest said, and how long it took.
struct Heard {
    kernel: Kernel,
    folder: PathBuf,
    transcript: Transcript,
    seconds: u64,
}

/// Fetches a kernel and packs its image.
fn prepare(series: &Series, programs: &Programs, tests: &[Test]) -> Result<Guest> {
    let folder = folder().join(series.name);
    fs::create_dir_all(&folder)?;
    let kernel = package::kernel(series, &folder)?;
    let image = folder.join("initramfs");
    fs::write(&image, programs.image(&kernel.modules, tests)?)?;
    Ok(Guest {
        kernel,
        image,
        folder,
    })
}

/// Runs guests, [`AT_ONCE`] at a time; what they said, in their order.
fn run_all(guests: Vec<Guest>) -> Result<Vec<Heard>> {
    let number = guests.len();
    let waiting = Mutex::new(guests.into_iter().enumerate());
    let heard = Mutex::new(Vec::new());
    let next = || {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(number) {
            scope.spawn(|| {
                while let Some((place, guest)) = next() {
                    let result = (place, hear(guest));
                    heard
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(result);
                }
            });
        }
    });
    let mut heard = heard.into_inner().unwrap_or_else(PoisonError::into_inner);
    heard.sort_by_key(|(place, _)| *place);
    heard.into_iter().map(|(_, result)| result).collect()
}

fn hear(guest: Guest) -> Result<Heard> {
    let Guest {
        kernel,
        image,
        folder,
    } = guest;
    let begin = Instant::now();
    let transcript = guest::run(&kernel, &image, &folder)?;
    Ok(Heard {
        kernel,
        folder,
        transcript,
        seconds: begin.elapsed().as_secs(),
    })
}

fn report(heard: &Heard, tests: &[Test]) -> Report {
    let Heard {
        kernel,
        folder,
        transcript,
        seconds,
    } = heard;
    let release = &kernel.release;
    let (mut failures, skipped) = judge(transcript, tests);
    let failed = failures.len();
    if !transcript.done {
        failures.push(format!(
            "{release}: the guest stopped early, or was stopped after {} min; its console ends \
             with\n{}\n{}",
            guest::TIMEOUT.as_secs() / 60,
            transcript.preface.join("\n"),
            guest::last_words(folder)
        ));
    }
    let passed = tests.len() - failed - skipped;
    Report {
        line: format!(
            "{release:28} {passed} passed, {failed} failed, {skipped} skipped, {seconds} s"
        ),
        failures,
    }
}

/// What is to be said of each failed test, and how many were skipped.
fn judge(transcript: &Transcript, tests: &[Test]) -> (Vec<String>, usize) {
    let kernel = expect::version(&transcript.release);
    let mut failures = Vec::new();
    let mut skipped = 0;
    for test in tests {
        let Some(run) = transcript.runs.iter().find(|run| run.name == *test) else {
            failures.push(format!("{}: {test}: did not run", transcript.release));
            continue;
        };
        let mut outcome = expect::outcome(run, kernel);
        if test == DOCTOR && outcome == Outcome::Passed {
            let wrong = expect::doctor(&run.output, kernel);
            if !wrong.is_empty() {
                outcome = Outcome::Failed(wrong.join("; "));
            }
        }
        match outcome {
            Outcome::Passed => {}
            Outcome::Skipped => skipped += 1,
            Outcome::Failed(why) => failures.push(format!(
                "{}: {test}: {why}, after {:.1} s\n{}",
                transcript.release,
                run.seconds,
                run.output.join("\n")
            )),
        }
    }
    (failures, skipped)
}

#[cfg(test)]
mod tests {
    use super::{DOCTOR, chosen, judge, protocol::Transcript};

    #[test]
    fn kernels_are_chosen_by_name() {
        let names = |only: &[&str]| -> Option<Vec<&str>> {
            let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
            let chosen = chosen(&only).ok()?;
            Some(chosen.iter().map(|series| series.name).collect())
        };
        assert_eq!(names(&[]), Some(vec!["5.10", "6.1", "6.12", "7.2"]));
        assert_eq!(names(&["7.2", "5.10"]), Some(vec!["5.10", "7.2"]));
        assert_eq!(names(&["4.19"]), None);
    }

    #[test]
    fn a_test_that_did_not_run_has_failed() {
        let mut transcript = Transcript::default();
        for line in [
            "@netweir release 5.10.0-1",
            "@netweir begin 1 kernel one",
            "@netweir end 2 0",
            "@netweir begin 2 kernel two",
        ] {
            transcript.push(line);
        }
        let tests = ["kernel one", "kernel two", "kernel three", DOCTOR].map(str::to_owned);
        let (failures, skipped) = judge(&transcript, &tests);
        assert_eq!((failures.len(), skipped), (3, 0));
        assert!(failures[1].contains("kernel three: did not run"));
    }
}
