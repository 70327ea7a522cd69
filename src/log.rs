//! Logging: to standard error, as text or JSON, filtered by `RUST_LOG`.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Begins to log. What is printed when `RUST_LOG` says nothing: warnings, and with `verbose` more.
pub(crate) fn start(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // That would be told where nobody reads any more.
        .log_internal_errors(false)
        // A file or a journal has no colours.
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // An earlier subscriber (of a test) stays.
    let _kept = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Prints a line for people to standard error. Where nobody reads that any more, it is gone, and the program
/// goes on.
pub(crate) fn tell(line: &str) {
    let _unread = writeln!(io::stderr(), "netweir: {line}");
}
