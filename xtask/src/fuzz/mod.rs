//! `cargo xtask fuzz`: every fuzz target for a bounded time, with stable Rust alone.
//!
//! A target is one file in `fuzz/src/bin/`. libFuzzer comes with the crate `libfuzzer-sys`; what
//! cargo-fuzz would ask of a nightly compiler for coverage are flags that stable has too. Each
//! target begins with its seeds, and what it finds stays in `fuzz/corpus/`, which git ignores.

mod seed;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{repository, tool};

/// Coverage by SanitizerCoverage, as libFuzzer reads it.
const FLAGS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Conditions that are folded into one are one step to find; apart, they are many small ones.
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Ccodegen-units=1",
];

/// An input that takes longer counts as a hang.
const TIMEOUT_SECONDS: u32 = 10;
const MEMORY_LIMIT_MIB: u32 = 512;

/// Build the fuzz targets and run each for a while.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these targets.
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut targets = targets()?;
    for wanted in &args.targets {
        ensure!(
            targets.contains(wanted),
            "no fuzz target `{wanted}`: there are {}",
            targets.join(", ")
        );
    }
    targets.retain(|target| args.targets.is_empty() || args.targets.contains(target));
    let binaries = build()?;
    for target in &targets {
        fuzz(&binaries, target, args.seconds)?;
    }
    Ok(())
}

fn targets() -> Result<Vec<String>> {
    let files = repository::files("fuzz/src/bin")?;
    let names = files.iter().filter_map(|file| file.file_stem());
    Ok(names
        .map(|name| name.to_string_lossy().into_owned())
        .collect())
}

/// Builds all targets and returns the folder of their binaries.
fn build() -> Result<PathBuf> {
    // Only where a target is named does cargo keep build scripts free of these flags.
    let host = host()?;
    let folder = repository::root().join("target/fuzz");
    let mut cargo = tool::cargo();
    cargo
        .env("CARGO_TARGET_DIR", &folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .args(["build", "--locked", "--release", "--bins"])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
    tool::run(&mut cargo)?;
    Ok(folder.join(host).join("release"))
}

fn host() -> Result<String> {
    let version = tool::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

fn fuzz(binaries: &Path, target: &str, seconds: u32) -> Result<()> {
    let root = repository::root();
    let corpus = root.join("fuzz/corpus").join(target);
    let artifacts = root.join("fuzz/artifacts").join(target);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    seed::write(target, &corpus)?;
    let binary = binaries.join(target);
    let log = root.join(format!("target/fuzz/{target}.log"));
    println!("fuzzing {target} for {seconds} s");
    let status = Command::new(&binary)
        .arg(&corpus)
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={TIMEOUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_LIMIT_MIB}"))
        .arg("-print_final_stats=1")
        .stderr(File::create(&log).with_context(|| format!("making {}", log.display()))?)
        .status()
        .with_context(|| format!("starting {}", binary.display()))?;
    let log = fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
    let log = String::from_utf8_lossy(&log);
    if !status.success() {
        print_end(&log);
        bail!(
            "fuzz target `{target}` failed: {status}; run {} with the file named above to see it \
             again",
            binary.display()
        );
    }
    let (inputs, edges) =
        read_end(&log).with_context(|| format!("fuzz target `{target}` reports no coverage"))?;
    println!("{target}: {inputs} inputs, {edges} edges covered, nothing found");
    Ok(())
}

/// The number of inputs that were run, and of edges that they covered, from libFuzzer's last words.
fn read_end(log: &str) -> Option<(u64, u64)> {
    let number_behind = |label: &str| {
        let (_, rest) = log.rsplit_once(label)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some((
        number_behind("stat::number_of_executed_units:")?,
        number_behind(" cov:")?,
    ))
}

fn print_end(log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    for line in &lines[lines.len().saturating_sub(60)..] {
        println!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::read_end;

    #[test]
    fn the_end_of_a_run_is_read() {
        let log = "#2\tINITED cov: 3 ft: 4\n#9\tDONE   cov: 17 ft: 5 corp: 2/3b\n\
                   stat::number_of_executed_units: 9\n";
        assert_eq!(read_end(log), Some((9, 17)));
    }

    #[test]
    fn a_run_without_coverage_is_noticed() {
        assert_eq!(read_end("stat::number_of_executed_units: 9\n"), None);
    }
}
