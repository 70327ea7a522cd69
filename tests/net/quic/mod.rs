//! QUIC between real peers: what is told of their connections is what they say themselves.

mod aioquic;
mod capture;
mod chromium;
mod flood;
mod noise;
mod quinn;
mod s2n;

use std::net::SocketAddr;

use netweir_tests::{Counted, Server, await_that};
use serde_json::Value;

/// What one end of a connection says that it sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Datagrams.
    packets: u64,
    /// Bytes of UDP payload in them.
    payload_bytes: u64,
}

impl Sent {
    /// The same as frames of the wire, to or from an address.
    const fn on_the_wire(self, address: SocketAddr) -> (u64, u64) {
        let ip = if address.is_ipv4() { 20 } else { 40 };
        (
            self.packets,
            self.payload_bytes + self.packets * (14 + ip + 8),
        )
    }
}

/// Waits until a client's connection is told with all that its ends have sent, which is neither more
/// nor less; `None` for what the hook does not see.
fn await_connection(server: &Server, client: SocketAddr, sent: [Option<Sent>; 2]) -> Value {
    await_that(|| {
        let told = server.get("/api/quic");
        let found = connection(&told, client);
        let found = found.ok_or_else(|| format!("{client} is not in {told:#}"))?;
        for (name, sent) in ["client_sent", "server_sent"].into_iter().zip(sent) {
            let Some(sent) = sent else { continue };
            let counted = Counted::of(&found[name]);
            if (counted.packets, counted.bytes) != sent.on_the_wire(client) {
                return Err(format!("{name}: {counted:?} of {sent:?} in {told:#}"));
            }
        }
        Ok(found.clone())
    })
}

/// The connection of a client that is there now.
fn connection(told: &Value, client: SocketAddr) -> Option<&Value> {
    let connections = told["connections"].as_array()?;
    connections.iter().find(|one| {
        one["client_address"] == client.ip().to_string() && one["client_port"] == client.port()
    })
}

/// All that is told, once every event of the kernel has come to the table, and the accounting is as
/// it has to be.
fn await_events(server: &Server, is_right: impl Fn(&Value) -> bool) -> Value {
    await_that(|| {
        let told = server.get("/api/quic");
        let accounting = &told["accounting"];
        let have_come = count(&accounting["events"]) == sum(&accounting["told"]);
        if have_come && is_right(accounting) {
            return Ok(told);
        }
        Err(format!("{accounting:#}"))
    })
}

fn count(number: &Value) -> u64 {
    number.as_u64().unwrap()
}

/// All of several counts.
fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().map(count).sum()
}
