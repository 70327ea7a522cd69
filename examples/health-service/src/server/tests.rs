//! Over real connections on the loopback.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{Limits, serve};
use crate::listener;

/// What is no condition that a test waits for ends it after so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A service on a port of its own, which ends with it.
struct Service {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    fn start(limits: Limits) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (port, its_port) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().unwrap();
            runtime.block_on(async move {
                let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
                let listener = listener::bind(all).unwrap();
                port.send(listener.local_addr().unwrap().port()).unwrap();
                serve(listener, limits, async {
                    let _sent = stopped.await;
                })
                .await;
            });
        });
        Self {
            port: its_port.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn connect(&self, address: impl Into<IpAddr>) -> TcpStream {
        let stream = TcpStream::connect((address.into(), self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// All that comes back for what is sent, until the connection ends.
    fn answer(&self, request: &str) -> String {
        let mut stream = self.connect(Ipv4Addr::LOCALHOST);
        stream.write_all(request.as_bytes()).unwrap();
        rest(&mut stream)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _sent = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_none_or(|ended| ended.is_ok()) || thread::panicking());
    }
}

/// Until the end; a reset ends it too, where what was sent has not all been read.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8(bytes).unwrap()
}

/// A request after whose answer the connection ends.
fn request(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

#[test]
fn answers() {
    let service = Service::start(Limits::default());
    for (sent, status, body) in [
        (request("GET /healthz"), 200, "ok\n"),
        (request("GET /healthz?a=b"), 200, "ok\n"),
        (request("HEAD /healthz"), 200, ""),
        (request("GET /"), 404, "there is only /healthz\n"),
        (request("GET /healthz/"), 404, "there is only /healthz\n"),
        (request("POST /healthz"), 405, "GET and HEAD only\n"),
        ("GET /healthz HTTP/1.0\r\n\r\n".into(), 200, "ok\n"),
        (
            "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n".into(),
            400,
            "one Host field is needed\n",
        ),
        ("no HTTP at all\r\n\r\n".into(), 400, ""),
    ] {
        let got = service.answer(&sent);
        let first = format!("HTTP/1.{} {status} ", u8::from(!sent.contains("HTTP/1.0")));
        assert!(got.starts_with(&first), "{sent:?} got {got:?}");
        assert!(
            got.ends_with(&format!("\r\n\r\n{body}")),
            "{sent:?} got {got:?}"
        );
        assert_eq!(got.contains("allow: GET, HEAD"), status == 405, "{got:?}");
        assert_eq!(
            got.contains("content-length: 3\r\n"),
            status == 200,
            "{got:?}"
        );
    }
}

#[test]
fn both_families_and_one_connection_for_two_requests() {
    let service = Service::start(Limits::default());
    for address in [
        Ipv4Addr::LOCALHOST.into(),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ] {
        let mut stream = service.connect(address);
        let open = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(open.as_bytes()).unwrap();
        stream
            .write_all(request("GET /healthz").as_bytes())
            .unwrap();
        assert_eq!(rest(&mut stream).matches("200 OK").count(), 2);
    }
}

#[test]
fn who_stalls_holds_up_nobody_and_is_cut_off() {
    let head = Duration::from_millis(300);
    let service = Service::start(Limits {
        head,
        ..Limits::default()
    });
    let mut stalled = service.connect(Ipv4Addr::LOCALHOST);
    stalled.write_all(b"GET /healthz HT").unwrap();
    assert!(service.answer(&request("GET /healthz")).contains("200 OK"));
    let told = rest(&mut stalled);
    assert!(!told.contains("200 OK"), "{told:?}");
}

#[test]
fn what_is_too_long_is_refused() {
    let service = Service::start(Limits::default());
    let field = format!("GET /healthz\r\nA: {}", "a".repeat(100_000));
    let got = service.answer(&field.replacen("\r\n", " HTTP/1.1\r\n", 1));
    assert!(got.is_empty() || got.starts_with("HTTP/1.1 431"), "{got:?}");
    let got =
        service.answer("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    assert!(got.starts_with("HTTP/1.1 200"), "{got:?}");
}

#[test]
fn the_end_does_not_wait_for_who_is_idle() {
    let service = Service::start(Limits::default());
    let mut idle = service.connect(Ipv6Addr::LOCALHOST);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    idle.read_exact(&mut [0; 12]).unwrap();
    let began = std::time::Instant::now();
    drop(service);
    let grace = Limits::default().grace;
    assert!(began.elapsed() < grace, "{:?}", began.elapsed());
}
