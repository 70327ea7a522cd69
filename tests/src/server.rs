//! `netweir run`, asked over HTTP.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use crate::{Child, Counted, Netweir, Table, World, table, world::await_that};

/// What the program logs when it can be asked; the address follows.
const READY: &str = "dashboard and API on http://";

/// What it logs of the token for changing rules; the token follows.
const TOKEN: &str = "changing rules over the API takes the token ";

/// A running `netweir run`.
pub struct Server {
    /// The program.
    pub child: Child,
    /// Where it listens.
    pub address: String,
}

/// An answer that goes on.
pub struct Stream {
    lines: BufReader<TcpStream>,
}

impl Server {
    /// Starts to meter the near interface of a world, and waits until everything is attached.
    pub fn start(world: &World, arguments: &[&str]) -> Self {
        Self::of(Netweir::run(world, arguments))
    }

    /// Starts any other call of `netweir run`.
    pub fn of(call: Netweir) -> Self {
        let child = call.start();
        let line = child.await_log(READY, 1);
        let (_, address) = line.split_once(READY).expect("the line has that text");
        Self {
            child,
            address: address.to_owned(),
        }
    }

    /// The token that the program has made.
    pub fn token(&self) -> String {
        let line = self.child.await_log(TOKEN, 1);
        let (_, rest) = line.split_once(TOKEN).expect("the line has that text");
        let token = rest.split(' ').next();
        token.expect("the token is a word").to_owned()
    }

    /// Asks for a change, with a token if there is one: status, body, and the head of the answer.
    ///
    /// # Panics
    /// The answer is not JSON.
    pub fn change(&self, request: &str, token: Option<&str>, body: &str) -> (u16, Value, String) {
        let mut stream = self.connect();
        let token = token.map_or_else(String::new, |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        write!(
            stream,
            "{request} HTTP/1.0\r\nHost: {}\r\n{token}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        answer(stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn open(&self, path: &str) -> TcpStream {
        let mut stream = self.connect();
        // HTTP/1.0: the answer ends with the connection, and has no chunks.
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n",
            self.address
        )
        .unwrap();
        stream
    }

    /// The status and the body of an answer.
    ///
    /// # Panics
    /// The answer is not JSON.
    pub fn ask(&self, path: &str) -> (u16, Value) {
        let (status, body, _) = answer(self.open(path));
        (status, body)
    }

    /// The body of an answer that has to succeed.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Opens a stream of events.
    pub fn stream(&self, path: &str) -> Stream {
        Stream {
            lines: BufReader::new(self.open(path)),
        }
    }

    /// All flows.
    pub fn flows(&self) -> Table {
        table(self.get("/api/flows?limit=0")["flows"].as_array().unwrap())
    }

    /// Waits until as many packets were seen on all interfaces and all of them are in flows, and
    /// gives the accounting.
    ///
    /// # Panics
    /// There are more, or not so many come.
    pub fn await_seen(&self, packets: u64) -> Value {
        await_that(|| {
            let accounting = self.get("/api/accounting");
            let lines = accounting["interfaces"].as_array().unwrap();
            let seen: Counted = lines.iter().map(|line| Counted::of(&line["seen"])).sum();
            assert!(
                seen.packets <= packets,
                "{} of {packets}: {accounting:#}",
                seen.packets
            );
            if seen.packets == packets && accounting["in_flight"]["packets"] == 0 {
                return Ok(accounting);
            }
            Err(format!("{} of {packets}: {accounting:#}", seen.packets))
        })
    }
}

/// Status, body and head of an answer.
fn answer(mut stream: TcpStream) -> (u16, Value, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
    let status = head.split(' ').nth(1).expect("a status").parse().unwrap();
    let json = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    (status, json, head.to_owned())
}

impl Stream {
    /// The next line that begins so, without its beginning.
    ///
    /// # Panics
    /// The stream ends before.
    pub fn next(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.lines.read_line(&mut line).unwrap(),
                0,
                "the stream ended"
            );
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
    }
}
