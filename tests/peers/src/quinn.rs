//! Peers of quinn.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, anyhow};
use quinn::{Connection, Endpoint, EndpointConfig, RecvStream, SendStream, TokioRuntime, VarInt};
use tokio::{runtime::Runtime, sync::oneshot};

use crate::{Identity, NAME, Said, Scheme, cids::Generator};

/// How much of an answer is sent at once.
const PIECE: usize = 64 * 1024;

/// A server in a thread of its own, that answers with as many bytes as it is asked for.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<Vec<Said>>>,
}

impl Server {
    /// Serves at a bound socket from now on.
    ///
    /// # Errors
    /// The socket or the identity cannot be used.
    pub fn start(
        socket: UdpSocket,
        identity: &Identity,
        scheme: Option<Scheme>,
    ) -> anyhow::Result<Self> {
        let address = socket.local_addr()?;
        let config = identity.server()?;
        let mut endpoint = EndpointConfig::default();
        if let Some(scheme) = scheme {
            endpoint.cid_generator(move || Box::new(Generator::new(scheme)));
        }
        let (stop, stopped) = oneshot::channel();
        let serve = async move {
            let endpoint = Endpoint::new(endpoint, Some(config), socket, Arc::new(TokioRuntime))?;
            let mut served = Vec::new();
            tokio::select! {
                failed = serve_all(&endpoint, &mut served) => failed?,
                // Also when nobody is left who could stop it.
                _stopped = stopped => {}
            }
            Ok(served.iter().map(report).collect())
        };
        let runtime = runtime()?;
        Ok(Self {
            address,
            stop,
            thread: thread::spawn(move || runtime.block_on(serve)),
        })
    }

    /// Ends it; what it says of its connections, in the order in which they ended.
    ///
    /// # Errors
    /// A connection failed.
    pub fn finish(self) -> anyhow::Result<Vec<Said>> {
        // One that has failed already is told of by its thread.
        let _told = self.stop.send(());
        let ended = self.thread.join();
        ended.map_err(|_panic| anyhow!("the server panicked"))?
    }
}

/// Serves one connection after the other.
async fn serve_all(endpoint: &Endpoint, served: &mut Vec<Connection>) -> anyhow::Result<()> {
    while let Some(incoming) = endpoint.accept().await {
        let connection = incoming.await?;
        // The client closes it when it has everything.
        while let Ok((answer, question)) = connection.accept_bi().await {
            serve(answer, question).await?;
        }
        served.push(connection);
    }
    Ok(())
}

async fn serve(mut answer: SendStream, mut question: RecvStream) -> anyhow::Result<()> {
    let mut bytes = [0; 8];
    question.read_exact(&mut bytes).await?;
    let mut left = usize::try_from(u64::from_be_bytes(bytes))?;
    let piece = vec![7; PIECE];
    while left > 0 {
        let now = left.min(PIECE);
        answer.write_all(&piece[..now]).await?;
        left -= now;
    }
    answer.finish()?;
    Ok(())
}

/// Asks a server for so many bytes, and says how it was for the client.
///
/// # Errors
/// The connection failed, or another number of bytes came.
pub fn download(
    socket: UdpSocket,
    server: SocketAddr,
    identity: &Identity,
    bytes: usize,
) -> anyhow::Result<Said> {
    connect(socket, server, identity, async |connection| {
        ask(connection, bytes).await
    })
}

/// Asks a server for so many bytes before something else is done, and behind it.
///
/// # Errors
/// As of [`download`].
pub fn download_around(
    socket: UdpSocket,
    server: SocketAddr,
    identity: &Identity,
    bytes: usize,
    work: impl FnOnce(),
) -> anyhow::Result<Said> {
    connect(socket, server, identity, async |connection| {
        ask(connection, bytes).await?;
        work();
        ask(connection, bytes).await
    })
}

fn connect(
    socket: UdpSocket,
    server: SocketAddr,
    identity: &Identity,
    work: impl AsyncFnOnce(&Connection) -> anyhow::Result<()>,
) -> anyhow::Result<Said> {
    let config = identity.client()?;
    runtime()?.block_on(async move {
        let mut endpoint = Endpoint::new(
            EndpointConfig::default(),
            None,
            socket,
            Arc::new(TokioRuntime),
        )?;
        endpoint.set_default_client_config(config);
        let connection = endpoint.connect(server, NAME)?.await?;
        work(&connection).await?;
        connection.close(VarInt::from_u32(0), b"done");
        endpoint.wait_idle().await;
        Ok(report(&connection))
    })
}

async fn ask(connection: &Connection, bytes: usize) -> anyhow::Result<()> {
    let (mut question, mut answer) = connection.open_bi().await?;
    question.write_all(&(bytes as u64).to_be_bytes()).await?;
    question.finish()?;
    let answer = answer.read_to_end(bytes).await.context("the answer")?;
    anyhow::ensure!(
        answer.len() == bytes,
        "{} of {bytes} bytes came",
        answer.len()
    );
    Ok(())
}

fn report(connection: &Connection) -> Said {
    let stats = connection.stats();
    Said {
        sent: stats.udp_tx.datagrams,
        sent_bytes: stats.udp_tx.bytes,
        received: stats.udp_rx.datagrams,
        min_rtt: stats.path.min_rtt,
    }
}

pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.context("a runtime for QUIC")
}
