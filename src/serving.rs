//! The server: takes its address early, and serves a meter until the program is to end.

use std::{
    io,
    sync::{Arc, RwLock},
};

use anyhow::anyhow;
use netweir_flow::Meter;
use netweir_web::{RuleBook, Settings, State, Ticks, Token};
use tokio::{
    net::{TcpListener, unix::pipe},
    runtime::Runtime,
};

use crate::{config::Config, stop::Stop};

/// A server that has its address.
pub(crate) struct Serving {
    runtime: Runtime,
    listener: TcpListener,
    settings: Settings,
}

impl Serving {
    /// Takes the address.
    ///
    /// # Errors
    /// The address cannot be had; the message says what to do.
    pub(crate) fn listen(config: &Config) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let address = config.listen;
        let bound = runtime.block_on(TcpListener::bind(address));
        let listener = bound.map_err(|error| match error.kind() {
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
        })?;
        let settings = Settings {
            allowed_hosts: config.allowed_hosts.clone(),
            ..Settings::default()
        };
        Ok(Self {
            runtime,
            listener,
            settings,
        })
    }

    /// Shows these rules; who bears the token may change them, without one nobody.
    pub(crate) fn with_rules(mut self, rules: Arc<dyn RuleBook>, token: Option<Token>) -> Self {
        self.settings.rules = Some(rules);
        self.settings.token = token;
        self
    }

    /// Serves until `stop` is set.
    ///
    /// # Errors
    /// The listener failed.
    pub(crate) fn run(
        self,
        meter: Arc<RwLock<Meter>>,
        ticks: Ticks,
        stop: &Stop,
    ) -> io::Result<()> {
        let Self {
            runtime,
            listener,
            settings,
        } = self;
        tracing::info!("dashboard and API on http://{}", listener.local_addr()?);
        runtime.block_on(async {
            let stopped = pipe::Receiver::from_owned_fd(stop.try_clone()?)?;
            let state = State::new(meter, ticks, settings);
            netweir_web::serve(listener, state, async move {
                // Whatever goes wrong with waiting for the signal is a reason to end as well.
                let _readable = stopped.readable().await;
            })
            .await
        })
    }
}
