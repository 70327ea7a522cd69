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

mod deps;
mod ebpf;
mod fuzz;
mod repository;
mod test;
mod tool;

use std::process::ExitCode;

use clap::Parser;

/// Tasks of the Netweir repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    Ebpf(ebpf::Args),
    Test(test::Args),
    Fuzz(fuzz::Args),
    Deps(deps::Args),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Ebpf(args) => ebpf::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Deps(args) => deps::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("xtask: {err:#}");
            ExitCode::FAILURE
        }
    }
}
