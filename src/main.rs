//! The program: reads the command line, runs the command, prints an error once.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use netweir::{args::Args, command};

fn main() -> ExitCode {
    // A usage error ends here, with exit code 2.
    let args = Args::parse();
    match command::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads it the exit code tells still.
            let _unread = writeln!(io::stderr(), "netweir: {}", command::complaint(&error));
            ExitCode::FAILURE
        }
    }
}

/// Whether whoever read our output has gone: `netweir flows | head` is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
