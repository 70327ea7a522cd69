//! The program: reads the command line, runs the command, prints an error once.

use std::process::ExitCode;

use clap::Parser;
use netweir::{args::Args, command};

fn main() -> ExitCode {
    // A usage error ends here, with exit code 2.
    let args = Args::parse();
    match command::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the one place where an error is printed"
            )]
            {
                eprintln!("netweir: {}", command::complaint(&error));
            }
            ExitCode::FAILURE
        }
    }
}

/// Whether whoever read our output has gone: `netweir flows | head` is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
