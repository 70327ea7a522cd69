//! Real traffic between the two namespaces: a few large flows, many small ones, bounded in time.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use netweir_agent::Netns;
use socket2::{Domain, Protocol, Socket, Type};

use super::{CLIENT, SERVER};
use crate::stop::Stop;

/// Time between two rounds of traffic.
const ROUND: Duration = Duration::from_millis(500);

/// TCP ports of the server: HTTP, HTTPS, a mail server, a database.
const TCP_PORTS: [u16; 4] = [80, 443, 25, 5432];

/// UDP ports of the server: DNS, time, QUIC.
const UDP_PORTS: [u16; 3] = [53, 123, 443];

/// Bytes of the large transfer in a round.
const LARGE_BYTES: usize = 2_000_000;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Begins the traffic, on a thread that ends after `duration`, or before when `stop` is set; it
/// then stops the program.
pub(super) fn start(
    client: Netns,
    server: &Netns,
    duration: Duration,
    stop: Arc<Stop>,
) -> anyhow::Result<JoinHandle<io::Result<()>>> {
    server.enter(serve)??;
    Ok(thread::spawn(move || {
        let talked = client
            .enter(|| talk(duration, &stop))
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        stop.now();
        talked
    }))
}

/// Begins to answer on all ports, on threads that end with the process.
fn serve() -> io::Result<()> {
    for address in [IpAddr::V4(SERVER.0), IpAddr::V6(SERVER.1)] {
        for port in TCP_PORTS {
            let listener = TcpListener::bind(SocketAddr::new(address, port))?;
            thread::spawn(move || listener.incoming().flatten().for_each(answer));
        }
        for port in UDP_PORTS {
            let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
            thread::spawn(move || echo(&socket));
        }
    }
    Ok(())
}

/// Answers a request of a few lines with as many bytes as its first line asks for.
fn answer(mut stream: TcpStream) {
    thread::spawn(move || {
        let mut request = [0; 64];
        let Ok(length) = stream.read(&mut request) else {
            return;
        };
        let wanted = String::from_utf8_lossy(&request[..length]);
        let wanted: usize = wanted.trim().parse().unwrap_or(0);
        // The client may have gone: then there is nothing to answer.
        let _sent = stream.write_all(&vec![b'.'; wanted.min(LARGE_BYTES)]);
    });
}

fn echo(socket: &UdpSocket) {
    let mut bytes = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut bytes) {
        let _sent = socket.send_to(&bytes[..length], from);
    }
}

/// One round after another until the time is over.
fn talk(duration: Duration, stop: &Stop) -> io::Result<()> {
    let end = Instant::now() + duration;
    for round in 0_usize.. {
        ask_tcp(IpAddr::V6(SERVER.1), 443, LARGE_BYTES)?;
        for small in 0..8 {
            let port = TCP_PORTS[(round + small) % TCP_PORTS.len()];
            ask_tcp(IpAddr::V4(SERVER.0), port, 500 * (small + 1))?;
        }
        for small in 0..12 {
            let port = UDP_PORTS[(round + small) % UDP_PORTS.len()];
            let both = [IpAddr::V4(SERVER.0), IpAddr::V6(SERVER.1)];
            ask_udp(both[small % 2], port, 60 + 90 * small)?;
        }
        ping(round as u16)?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.wait(ROUND.min(left))? {
            break;
        }
    }
    Ok(())
}

fn ask_tcp(server: IpAddr, port: u16, bytes: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(server, port), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes.to_string().as_bytes())?;
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}

fn ask_udp(server: IpAddr, port: u16, bytes: usize) -> io::Result<()> {
    let here = if server.is_ipv4() {
        IpAddr::V4(CLIENT.0)
    } else {
        IpAddr::V6(CLIENT.1)
    };
    let socket = UdpSocket::bind(SocketAddr::new(here, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(&vec![0; bytes], SocketAddr::new(server, port))?;
    socket.recv(&mut [0; 2048])?;
    Ok(())
}

/// An ICMP echo request (RFC 792); the server's kernel answers.
fn ping(sequence: u16) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    let mut message = [8, 0, 0, 0, 0x4e, 0x57, 0, 0];
    message[6..].copy_from_slice(&sequence.to_be_bytes());
    let sum: u32 = message
        .chunks(2)
        .map(|two| u32::from(two[0]) << 8 | u32::from(two[1]))
        .sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    socket.send_to(&message, &SocketAddr::new(IpAddr::V4(SERVER.0), 0).into())?;
    Ok(())
}
