//! QUIC: connections as rows, what flows show of theirs, and datagrams as lines.

use std::io::{self, Write};

use netweir_flow::{
    Rate, Record,
    quic::{
        self, Summary, Traced,
        connection::{CidOrigin, Cids, Connection, ConnectionId},
        layout::Undecoded,
    },
};
use netweir_web::view;
use netweir_wire::map::Direction;

use super::{Cells, Resolver, cell::end, json_lines};
use crate::{args::Format, foreign::escaped, unit};

/// What stands where there is nothing to say.
const NOTHING: &str = "-";

/// Characters of a name that a client chose: a longer one would push the columns behind it off the
/// screen, in all rows.
const LONGEST_NAME: usize = 40;

/// Where the rate stands: behind the bytes.
const RATE_COLUMN: usize = 12;

/// The columns for people; rates where there are any.
pub(super) fn cells(rows: &[quic::Record], resolver: Option<&Resolver>) -> Cells {
    let mut columns = vec![
        "CLIENT",
        "SERVER",
        "VERSION",
        "SNI",
        "ALPN",
        "CLIENT CID",
        "SERVER CID",
        "BACKEND",
        "QUEUE",
        ">RTT",
        ">PACKETS",
        ">BYTES",
        "CERTAINTY",
    ];
    let has_rates = rows.iter().any(|row| row.rate() != Rate::default());
    if has_rates {
        columns.insert(RATE_COLUMN, ">RATE");
    }
    let rows = rows.iter().map(|row| {
        let mut cells = row_cells(row, resolver);
        if has_rates {
            let rate = row.rate().bits_per_second();
            cells.insert(RATE_COLUMN, unit::bits_per_second(rate));
        }
        cells
    });
    Cells::new(&columns, rows.collect())
}

fn row_cells(row: &quic::Record, resolver: Option<&Resolver>) -> Vec<String> {
    let one = &row.connection;
    let sent = row.sent();
    let (backend, queue) = backend_and_queue(one);
    vec![
        end(one.client.into(), resolver),
        end(one.server.into(), resolver),
        or_nothing(one.version),
        marked_name(one),
        shortened(or_nothing(alpn(one))),
        or_nothing(cid(&one.client_cids)),
        or_nothing(cid(&one.server_cids)),
        backend,
        queue,
        rtt(one),
        sent.packets.to_string(),
        unit::bytes(sent.bytes),
        one.certainty.name().to_owned(),
    ]
}

/// The same as plain numbers, and what else there is of one value.
pub(super) fn csv(rows: &[quic::Record]) -> Cells {
    let columns = [
        "client_address",
        "client_port",
        "server_address",
        "server_port",
        "version",
        "server_name",
        "alpn",
        "ja4",
        "client_cid",
        "server_cid",
        "layout",
        "backend",
        "queue",
        "undecoded",
        "handshake_rtt_seconds",
        "spin_rtt_seconds",
        "packets_sent_by_client",
        "bytes_sent_by_client",
        "packets_sent_by_server",
        "bytes_sent_by_server",
        "migrations",
        "rebindings",
        "certainty",
        "interface",
        "sampling",
    ];
    Cells::new(&columns, rows.iter().map(csv_row).collect())
}

fn csv_row(row: &quic::Record) -> Vec<String> {
    let one = &row.connection;
    let named = one.backend.as_ref().ok();
    let id = |cids| text(cid(cids).filter(|id| !id.is_empty()));
    let seconds = |ns: Option<u64>| text(ns.map(|ns| format!("{:.6}", ns as f64 / 1e9)));
    vec![
        one.client.ip().to_string(),
        one.client.port().to_string(),
        one.server.ip().to_string(),
        one.server.port().to_string(),
        text(one.version),
        name(one).unwrap_or_default(),
        alpn(one).unwrap_or_default(),
        text(one.hello.as_ref().map(|hello| &hello.ja4)),
        id(&one.client_cids),
        id(&one.server_cids),
        text(named.map(|named| &named.layout)),
        text(named.and_then(|named| named.backend)),
        text(named.and_then(|named| named.queue)),
        text(one.backend.as_ref().err().map(|reason| reason.name())),
        seconds(one.timing.round_trip_ns()),
        seconds(one.spin_round_trip_ns()),
        row.client_sent.packets.to_string(),
        row.client_sent.bytes.to_string(),
        row.server_sent.packets.to_string(),
        row.server_sent.bytes.to_string(),
        one.moves.migrations.to_string(),
        one.moves.rebindings.to_string(),
        one.certainty.name().to_owned(),
        row.interface.to_string(),
        row.sampling.to_string(),
    ]
}

/// Columns of flows that have to do with QUIC, where any flow does.
pub(super) const COLUMNS: [&str; 4] = ["QUIC", "CERTAINTY", "SNI", "BACKEND"];

/// The same for programs.
pub(super) const CSV_COLUMNS: [&str; 6] = [
    "quic_version",
    "quic_certainty",
    "quic_server_name",
    "quic_backend",
    "quic_queue",
    "quic_undecoded",
];

/// Whether any of these flows is a part of a QUIC connection.
pub(super) fn is_any_quic(rows: &[Record]) -> bool {
    rows.iter().any(|flow| flow.quic.is_some())
}

/// The cells of [`COLUMNS`].
pub(super) fn summary(summary: Option<&Summary>) -> [String; 4] {
    let Some(summary) = summary else {
        return [(); 4].map(|()| String::new());
    };
    [
        or_nothing(summary.version),
        summary.certainty.name().to_owned(),
        shortened(or_nothing(summary.server_name.as_ref())),
        match &summary.backend {
            Ok(route) => or_nothing(route.backend),
            Err(reason) => reason.name().to_owned(),
        },
    ]
}

/// The cells of [`CSV_COLUMNS`].
pub(super) fn csv_summary(summary: Option<&Summary>) -> [String; 6] {
    let Some(summary) = summary else {
        return [(); 6].map(|()| String::new());
    };
    let route = summary.backend.unwrap_or_default();
    [
        text(summary.version),
        summary.certainty.name().to_owned(),
        text(summary.server_name.as_ref()),
        text(route.backend),
        text(route.queue),
        text(summary.backend.err().map(Undecoded::name)),
    ]
}

/// Writes datagrams, a line for each.
///
/// # Errors
/// The output cannot be written to.
pub(crate) fn write_datagrams(
    traced: &Traced,
    format: Format,
    out: &mut impl Write,
) -> io::Result<()> {
    let datagrams = traced.datagrams.iter();
    if format == Format::Json {
        return json_lines(datagrams.map(view::QuicDatagram::from), out);
    }
    for datagram in datagrams {
        let time = view::Time {
            unix_ns: datagram.unix_ns,
        };
        let way = match datagram.direction {
            Direction::Ingress => "in",
            Direction::Egress => "out",
        };
        let quic::Datagram {
            source,
            destination,
            interface,
            payload_bytes,
            ..
        } = datagram;
        let interface = escaped(interface);
        writeln!(
            out,
            "{time} {interface} {way} {source} > {destination} {payload_bytes} bytes {}: {}",
            packets(datagram),
            datagram.outcome.name()
        )?;
    }
    Ok(())
}

/// Version, types and IDs: those of the first packet, which all others mostly have too.
fn packets(datagram: &quic::Datagram) -> String {
    let kinds: Vec<_> = datagram.packets.iter().map(|one| one.kind.name()).collect();
    let kinds = kinds.join("+");
    let Some((first, version)) = datagram
        .packets
        .first()
        .and_then(|first| Some((first, first.version?)))
    else {
        return kinds;
    };
    let id = |bytes: &[u8]| match bytes {
        [] => NOTHING.to_owned(),
        bytes => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let (dcid, scid) = (id(&first.dcid), id(&first.scid));
    format!("{version} {kinds} dcid {dcid} scid {scid}")
}

fn name(connection: &Connection) -> Option<String> {
    connection.hello.as_ref()?.server_name.clone()
}

/// The server name for people; one that is none, as TLS has it, ends in a question mark.
fn marked_name(connection: &Connection) -> String {
    let name = shortened(or_nothing(name(connection)));
    let hello = connection.hello.as_ref();
    let is_malformed = hello.is_some_and(|hello| hello.has_malformed_name);
    if is_malformed { name + "?" } else { name }
}

fn alpn(connection: &Connection) -> Option<String> {
    let hello = connection.hello.as_ref()?;
    (!hello.alpn.is_empty()).then(|| hello.alpn.join(" "))
}

/// The ID that came last of those that its owner chose, else the one that the client made up.
fn cid(cids: &Cids) -> Option<ConnectionId> {
    let made_up = |origin: CidOrigin| matches!(origin, CidOrigin::ClientFirst);
    let mut last = cids.iter().rev();
    let chosen = last.find(|known| !made_up(known.origin));
    let shown = chosen.or_else(|| cids.iter().next_back());
    shown.map(|known| known.cid)
}

/// The reason stands in the place of the backend, where nothing is decoded.
fn backend_and_queue(connection: &Connection) -> (String, String) {
    match &connection.backend {
        Ok(named) => (or_nothing(named.backend), or_nothing(named.queue)),
        Err(reason) => (reason.name().to_owned(), NOTHING.to_owned()),
    }
}

/// The round trip by the spin bit where that is credible, else the handshake's.
fn rtt(connection: &Connection) -> String {
    let spin = connection.spin_round_trip_ns().map(|ns| (ns, "spin"));
    let handshake = || Some((connection.timing.round_trip_ns()?, "handshake"));
    spin.or_else(handshake).map_or_else(
        || NOTHING.to_owned(),
        |(ns, from)| format!("{:.1} ms {from}", ns as f64 / 1e6),
    )
}

/// A name as long as its column is wide at most, with an ellipsis where it was cut.
fn shortened(name: String) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        None => name,
        Some(_) => name.chars().take(LONGEST_NAME - 1).chain(['…']).collect(),
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn or_nothing(value: Option<impl ToString>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}
