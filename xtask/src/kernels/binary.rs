//! The programs that run in a guest: built as `cargo xtask test` builds them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{DOCTOR, Test};
use crate::tool;

/// The same selection as for all tests: what a package is built with depends on it.
const WORKSPACE: [&str; 3] = ["--workspace", "--exclude", "netweir-kernel"];
/// The test programs of rings 3 and 4.
const SUITES: [&str; 2] = ["kernel", "net"];

/// Tests that are left out, by their beginning: the programs of the bench, which need not run
/// everywhere; half a million packets, which take too long where every instruction is translated, and
/// whose generator would have to be carried; losses, for nothing is lost of what is sent so slowly;
/// kills at dozens of moments; what is tried in another way as well; and what is the same whatever the
/// kernel. (The verifier alone takes seconds there for each load.)
const TOO_MUCH: [&str; 57] = [
    "kernel yardstick::",
    "kernel corpus::all_cases_",
    "kernel corpus::the_cache_",
    "kernel death::",
    "kernel defect::",
    "kernel quic::backend::",
    "kernel quic::limits::",
    "kernel quic::malformed::",
    "kernel quic::full::",
    "kernel filter::the_kernel_admits_",
    "kernel quic::property::",
    "kernel quic::segments::",
    "kernel quic::short::",
    "kernel quic::told::",
    "kernel rule::a_change_",
    "kernel sampling::",
    "kernel tracepoint::interfaces_that_are_idle_",
    "net attachment::a_second_one_counts_",
    "net attachment::dies_",
    "net attachment::leaves_the_",
    "net inline::capture::",
    "net inline::crossing::",
    "net inline::demo::",
    "net inline::failing::",
    "net inline::losing::",
    "net inline::refused::",
    "net inline::told::",
    "net interface::is_metered_",
    "net pin::migrate::plain_",
    "net pin::restart::an_",
    "net pin::restart::nothing_",
    "net rule::live::a_change_",
    "net rule::live::heads_",
    "net rule::live::nothing_",
    "net generator::",
    "net generators::",
    "net offload::",
    "net quic::",
    "net loss::",
    "net api::",
    "net replay::",
    "net failure::ends_",
    "net failure::says_",
    "net rule::api::",
    "net rule::capture::",
    "net rule::command::",
    "net rule::file::",
    "net rule::place::",
    "net rule::wrong::",
    "net pin::dump::",
    "net pin::migrate::an_agent_",
    "net pin::migrate::killed_",
    "net pin::migrate::what_was_taken_",
    "net pin::refused::",
    "net pin::restart::one_that_has_",
    "net pin::restart::what_finds_no_room_",
    "kernel rule::heads_",
];

/// A message of cargo, as far as it is of interest.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds the program and its tests; returns each by its name.
///
/// # Errors
/// Fails where the build does.
pub(super) fn build() -> Result<BTreeMap<String, PathBuf>> {
    let mut binaries = BTreeMap::new();
    let tests = run_cargo(&["test", "--no-run"])?;
    let bins = run_cargo(&["build", "--bins"])?;
    for (name, is_test) in SUITES
        .map(|suite| (suite, true))
        .into_iter()
        .chain([("netweir", false)])
    {
        let text = if is_test { &tests } else { &bins };
        let binary = executable(text, name, is_test);
        let binary = binary.with_context(|| format!("cargo has built no program {name}"))?;
        binaries.insert(name.to_owned(), binary);
    }
    Ok(binaries)
}

fn run_cargo(arguments: &[&str]) -> Result<String> {
    let mut cargo = tool::cargo();
    cargo.args(arguments).args(WORKSPACE);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    tool::output(&mut cargo)
}

fn executable(messages: &str, name: &str, is_test: bool) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    messages
        .filter(|message: &Message| {
            let target = message.target.as_ref().map(|target| target.name.as_str());
            let of_tests = message.profile.as_ref().map(|profile| profile.test);
            (target, of_tests) == (Some(name), Some(is_test))
        })
        .find_map(|message| message.executable)
}

/// The tests that a guest runs: those whose names have `filter` in them.
///
/// # Errors
/// Fails where a test program does not list its tests.
pub(super) fn tests(binaries: &BTreeMap<String, PathBuf>, filter: &str) -> Result<Vec<Test>> {
    let mut tests = vec![DOCTOR.to_owned()];
    for suite in SUITES {
        let binary = binaries
            .get(suite)
            .map_or(Path::new(suite), PathBuf::as_path);
        let list = tool::output(Command::new(binary).args(["--list", "--format", "terse"]))?;
        tests.extend(listed(suite, &list));
    }
    tests.retain(|test| test.contains(filter));
    Ok(tests)
}

fn listed(suite: &str, list: &str) -> Vec<Test> {
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let tests = names.map(|name| format!("{suite} {name}"));
    tests
        .filter(|test| !TOO_MUCH.iter().any(|beginning| test.starts_with(beginning)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{executable, listed};

    #[test]
    fn the_programs_are_found_in_what_cargo_says() {
        let messages = r#"{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","target":{"name":"net"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"net"},"profile":{"test":true},"executable":"/t/net-1"}
not a message
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "net", true),
            Some(PathBuf::from("/t/net-1"))
        );
        assert_eq!(executable(messages, "net", false), None);
        assert_eq!(executable(messages, "kernel", true), None);
    }

    #[test]
    fn what_takes_too_long_is_left_out() {
        let list = "hooks::tcx: test\ngenerator::tcx: test\nsomething: benchmark\n";
        assert_eq!(listed("net", list), ["net hooks::tcx"]);
    }
}
