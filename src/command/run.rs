//! `netweir run`: the agent, and the API and dashboard over what it counts.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, RwLock},
};

use anyhow::{Context, anyhow};
use netweir_flow::Meter;
use netweir_web::{Settings, State, Ticks};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::TcpListener,
};

use super::flows::print_books;
use crate::{config::Config, metering::Metering, stop::Stop};

pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    let runtime = runtime()?;
    // The address first: nothing is attached for a dashboard that cannot be shown.
    let listener = runtime.block_on(listen(config.listen))?;
    let stop = Arc::new(Stop::on_signals()?);
    let metering = Metering::start(config, Arc::clone(&stop), Box::new(|_| {}))?;
    tracing::info!("dashboard and API on http://{}", listener.local_addr()?);
    let meter = Arc::clone(&metering.meter);
    let served = runtime.block_on(serve(config, listener, meter, metering.ticks.clone(), &stop));
    let meter = Arc::clone(&metering.meter);
    let metered = metering.finish();
    print_books(&meter);
    metered.and(served.context("cannot serve"))
}

/// A runtime for the little that is asynchronous: the server.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Takes the address of the dashboard.
pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "{address} is in use; choose another port with --port, or find who has it with \
             `ss -ltnp 'sport = :{}'`",
            address.port()
        ),
        io::ErrorKind::AddrNotAvailable => {
            anyhow!("{address} is no address of this machine; `ip address` shows them")
        }
        io::ErrorKind::PermissionDenied => {
            anyhow!("not permitted to listen on {address}: ports below 1024 need root")
        }
        _ => anyhow!(error).context(format!("cannot listen on {address}")),
    })
}

/// Serves until the program is to end.
pub(super) async fn serve(
    config: &Config,
    listener: TcpListener,
    meter: Arc<RwLock<Meter>>,
    ticks: Ticks,
    stop: &Stop,
) -> io::Result<()> {
    let stopped = AsyncFd::register_with_interest(stop.try_clone()?, Interest::READABLE)?;
    let settings = Settings { allowed_hosts: config.allowed_hosts.clone(), ..Settings::default() };
    let state = State::new(meter, ticks, settings);
    netweir_web::serve(listener, state, async move {
        // Whatever goes wrong with waiting for the signal is a reason to end as well.
        let _readable = stopped.readable().await;
    })
    .await
}
