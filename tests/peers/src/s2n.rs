//! Peers of s2n-quic, which bind their sockets themselves, in the namespace of the calling thread.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, anyhow};
use s2n_quic::{
    Client, Server,
    client::Connect,
    provider::{
        event::{ConnectionInfo, ConnectionMeta, Subscriber, events},
        tls::rustls,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
};

use crate::{ALPN, Identity, NAME, quinn::runtime};

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// What an endpoint sent.
#[derive(Clone, Default)]
struct Sums(Arc<Sent>);

#[derive(Default)]
struct Sent {
    datagrams: AtomicU64,
    bytes: AtomicU64,
}

impl Sums {
    /// Datagrams, and bytes of UDP payload in them.
    fn sent(&self) -> (u64, u64) {
        let Sent { datagrams, bytes } = &*self.0;
        (
            datagrams.load(Ordering::Relaxed),
            bytes.load(Ordering::Relaxed),
        )
    }
}

impl Subscriber for Sums {
    type ConnectionContext = ();

    fn create_connection_context(&mut self, _: &ConnectionMeta, _: &ConnectionInfo<'_>) {}

    fn on_datagram_sent(&mut self, (): &mut (), _: &ConnectionMeta, event: &events::DatagramSent) {
        self.0.datagrams.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(event.len.into(), Ordering::Relaxed);
    }
}

/// A server in a thread of its own, that answers with as many bytes as it is asked for.
pub struct S2nServer {
    sums: Sums,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl S2nServer {
    /// Serves from now on.
    ///
    /// # Errors
    /// The address or the identity cannot be used.
    pub fn start(address: SocketAddr, identity: &Identity) -> anyhow::Result<Self> {
        let tls = tls_of_server(identity).map_err(anyhow::Error::from_boxed)?;
        let sums = Sums::default();
        let (stop, stopped) = oneshot::channel();
        let (listening, is_listening) = std::sync::mpsc::channel();
        let events = sums.clone();
        let serve = async move {
            let server = Server::builder().with_tls(tls)?.with_io(address)?;
            let mut server = server.with_event(events)?.start()?;
            listening.send(())?;
            tokio::select! {
                failed = serve_all(&mut server) => failed,
                // Also when nobody is left who could stop it.
                _stopped = stopped => Ok(()),
            }
        };
        let runtime = runtime()?;
        let thread = thread::spawn(move || runtime.block_on(serve));
        if is_listening.recv().is_err() {
            return Err(joined(thread).err().unwrap_or_else(|| anyhow!("it ended")));
        }
        Ok(Self { sums, stop, thread })
    }

    /// Ends it; what it sent.
    ///
    /// # Errors
    /// A connection failed.
    pub fn finish(self) -> anyhow::Result<(u64, u64)> {
        // One that has failed already is told of by its thread.
        let _told = self.stop.send(());
        joined(self.thread)?;
        Ok(self.sums.sent())
    }
}

fn joined(thread: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    let ended = thread.join();
    ended.map_err(|_panic| anyhow!("the server panicked"))?
}

/// Serves one connection after the other.
async fn serve_all(server: &mut Server) -> anyhow::Result<()> {
    while let Some(mut connection) = server.accept().await {
        let stream = connection.accept_bidirectional_stream().await?;
        let mut stream = stream.context("no question came")?;
        let wanted = usize::try_from(stream.read_u64().await?)?;
        stream.write_all(&vec![7; wanted]).await?;
        // The client closes it when it has everything, be it before the end was acknowledged.
        let _ended = stream.shutdown().await;
        let _closed = connection.accept().await;
    }
    Ok(())
}

/// Asks a server for so many bytes; where the client was, and what it sent.
///
/// # Errors
/// The connection failed, or another number of bytes came.
pub fn s2n_download(
    server: SocketAddr,
    identity: &Identity,
    bytes: usize,
) -> anyhow::Result<(SocketAddr, (u64, u64))> {
    let tls = tls_of_client(identity).map_err(anyhow::Error::from_boxed)?;
    let sums = Sums::default();
    let events = sums.clone();
    let any = match server {
        SocketAddr::V4(_) => "0.0.0.0:0",
        SocketAddr::V6(_) => "[::]:0",
    };
    let address = runtime()?.block_on(async move {
        let client = Client::builder().with_tls(tls)?.with_io(any)?;
        let mut client = client.with_event(events)?.start()?;
        let connect = Connect::new(server).with_server_name(NAME);
        let mut connection = client.connect(connect).await?;
        let mut stream = connection.open_bidirectional_stream().await?;
        stream.write_u64(bytes as u64).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::ensure!(
            answer.len() == bytes,
            "{} of {bytes} bytes came",
            answer.len()
        );
        let address = connection.local_addr()?;
        connection.close(0_u32.into());
        drop(stream);
        drop(connection);
        client.wait_idle().await?;
        anyhow::Ok(address)
    })?;
    Ok((address, sums.sent()))
}

fn tls_of_server(identity: &Identity) -> Result<rustls::Server, BoxedError> {
    let [certificate, key] = identity.pem();
    rustls::Server::builder()
        .with_certificate(&*certificate, &*key)?
        .with_application_protocols([ALPN].into_iter())?
        .build()
}

fn tls_of_client(identity: &Identity) -> Result<rustls::Client, BoxedError> {
    let [certificate, _] = identity.pem();
    rustls::Client::builder()
        .with_certificate(&*certificate)?
        .with_application_protocols([ALPN].into_iter())?
        .build()
}
