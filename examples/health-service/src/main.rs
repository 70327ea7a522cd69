//! `health-service`: an HTTP service that says that it is there, to try `netweir inline` with.
//!
//! It knows nothing of Netweir. It answers `GET /healthz` until SIGINT or SIGTERM;
//! `scripts/inline-demo.sh` starts it behind the bump in the wire.

mod listener;
mod server;

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use server::{Limits, serve};

/// Answers GET /healthz with 200 and "ok".
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Address and port; of `[::]`, IPv4 as well. Unless said, all addresses and port 8081.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let listener = match args.listen {
        Some(address) => listener::bind(address),
        None => listener::bind_all(),
    };
    let listener = listener.context("cannot listen")?;
    say_where(listener.local_addr()?);
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    serve(listener, Limits::default(), stop).await;
    Ok(())
}

/// Whoever started it may wait for this line: connections are accepted from here on.
#[expect(clippy::print_stderr, reason = "the one line of its log")]
fn say_where(address: SocketAddr) {
    eprintln!("health-service: listening on {address}");
}
