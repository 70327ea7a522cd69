//! What is known of kernels: since when they have what.
//!
//! The program itself never asks for a version: it tries. That is what this table checks: what
//! `netweir doctor` found by trying is what the kernel is known to have, and a test that was skipped
//! for want of something was skipped on a kernel that does lack it.

use serde::Deserialize;

use super::protocol::Run;

/// What doctor looks at, and the kernel that first has it.
const CHECKS: [(&str, Version); 6] = [
    ("kernel", (5, 10)),
    ("kernel types (BTF)", (5, 4)),
    ("hook tc (TCX)", (6, 6)),
    ("hook tc (clsact)", (4, 5)),
    ("hook tracepoint", (5, 5)),
    ("AF_XDP sockets", (4, 18)),
];

/// What a test says that it needs, and the kernel that first has it.
const NEEDS: [(&str, Version); 4] = [
    ("TCX", (6, 6)),
    ("XDP frags", (5, 18)),
    ("UDP segments over virtual pairs", (5, 11)),
    ("paged data at the tracepoints", (6, 11)),
];

/// Major and minor number of a kernel.
pub(super) type Version = (u32, u32);

/// A line of `netweir doctor --format json`.
#[derive(Deserialize)]
struct Check {
    check: String,
    verdict: String,
    found: String,
}

/// How a test came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As it should.
    Passed,
    /// It could not run, and the kernel is known to be the reason.
    Skipped,
    /// Why it failed.
    Failed(String),
}

/// The numbers of a release as `uname -r` has it.
pub(super) fn version(release: &str) -> Version {
    let mut numbers = release.split('.').map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Judges a test by its exit code and by what it printed.
pub(super) fn outcome(run: &Run, kernel: Version) -> Outcome {
    match run.code {
        None => return Outcome::Failed("the guest stopped in it".to_owned()),
        Some(0) => {}
        Some(code) => return Outcome::Failed(format!("exit code {code}")),
    }
    let mut skips = run
        .output
        .iter()
        .filter_map(|line| line.strip_prefix("skipped: "));
    let Some(reason) = skips.next() else {
        return Outcome::Passed;
    };
    let known = NEEDS.iter().find(|(need, _)| reason.contains(need));
    match known {
        Some((_, since)) if kernel < *since => Outcome::Skipped,
        _ => Outcome::Failed(format!("skipped, but this kernel has it: {reason}")),
    }
}

/// Judges what doctor said; a complaint for each statement that is not true.
pub(super) fn doctor(output: &[String], kernel: Version) -> Vec<String> {
    let checks: Vec<Check> = output
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let complaint = |&(name, since): &(&str, Version)| {
        let Some(check) = checks.iter().find(|check| check.check == name) else {
            return Some(format!("doctor says nothing of {name}"));
        };
        let has_it = kernel >= since;
        let says_so = check.verdict == "good";
        (has_it != says_so).then(|| {
            let (major, minor) = since;
            format!(
                "{name} is there since {major}.{minor}, but doctor says: {} ({})",
                check.verdict, check.found
            )
        })
    };
    CHECKS.iter().filter_map(complaint).collect()
}

#[cfg(test)]
mod tests {
    use super::{CHECKS, Outcome, doctor, outcome, version};
    use crate::kernels::protocol::Run;

    fn run(code: Option<i32>, output: &str) -> Run {
        Run {
            name: "kernel one".to_owned(),
            code,
            seconds: 1.0,
            output: vec![output.to_owned()],
        }
    }

    #[test]
    fn a_release_has_a_version() {
        assert_eq!(version("5.10.0-46-cloud-amd64"), (5, 10));
        assert_eq!(version("6.12.107+deb13-cloud-amd64"), (6, 12));
        assert_eq!(version("?"), (0, 0));
    }

    #[test]
    fn tests_pass_fail_or_are_skipped() {
        assert_eq!(outcome(&run(Some(0), "fine"), (5, 10)), Outcome::Passed);
        for failed in [run(Some(101), "skipped: no TCX"), run(None, "")] {
            assert!(matches!(outcome(&failed, (5, 10)), Outcome::Failed(_)));
        }
    }

    #[test]
    fn only_the_kernel_is_a_reason_to_skip() {
        let skipped = run(Some(0), "skipped: this kernel has no TCX");
        assert_eq!(outcome(&skipped, (6, 5)), Outcome::Skipped);
        assert!(matches!(outcome(&skipped, (6, 6)), Outcome::Failed(_)));
        let other = run(Some(0), "skipped: no root");
        assert!(matches!(outcome(&other, (5, 10)), Outcome::Failed(_)));
    }

    #[test]
    fn doctor_has_to_be_right_both_ways() {
        let say = |tcx: &str| -> Vec<String> {
            let verdict = |name: &str| if name == "hook tc (TCX)" { tcx } else { "good" };
            let line = |(name, _): &(&str, _)| {
                let verdict = verdict(name);
                format!(r#"{{"check":"{name}","verdict":"{verdict}","found":"","fix":""}}"#)
            };
            CHECKS.iter().map(line).collect()
        };
        assert_eq!(doctor(&say("good"), (6, 6)), [""; 0]);
        assert_eq!(doctor(&say("bad"), (6, 5)), [""; 0]);
        assert_eq!(doctor(&say("bad"), (6, 6)).len(), 1);
        assert_eq!(doctor(&say("good"), (6, 5)).len(), 1);
        assert_eq!(doctor(&[], (6, 5)).len(), CHECKS.len());
    }
}
