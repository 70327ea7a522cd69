//! The tasks of the repository that are more than one call of cargo: `cargo xtask --help`.
//!
//! Each task is a module with its arguments and a `run` function. A task calls the tools that a
//! person would call, and prints them; it holds no state but what is in the repository and in
//! `target/`. The Makefile and `.ci/run` are thin fronts of it.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person who started it"
)]

mod bench;
mod deps;
mod ebpf;
mod fuzz;
mod kernels;
mod man;
mod repository;
mod test;
mod tool;

use std::process::ExitCode;

use clap::Parser;

/// Exit code where nothing failed, but something could not be had to try.
const ABSENT: u8 = 3;

/// Tasks of the Netweir repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    Ebpf(ebpf::Args),
    Test(test::Args),
    Fuzz(fuzz::Args),
    Deps(deps::Args),
    Man(man::Args),
    Bench(bench::Args),
    Kernels(kernels::Args),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Ebpf(args) => ebpf::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Deps(args) => deps::run(&args),
        Task::Man(args) => man::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Kernels(args) => kernels::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("xtask: {err:#}");
            if err.is::<kernels::Absent>() {
                ExitCode::from(ABSENT)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
