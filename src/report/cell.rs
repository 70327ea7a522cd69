//! The cells of a report: for people with units, for CSV as plain numbers.

use std::{borrow::Cow, collections::HashSet};

use netweir_flow::{Address, Connection, Endpoint, Host, Record};
use netweir_web::view;

use super::{Resolver, label, quic};
use crate::{foreign::escaped, unit};

/// A table of text.
pub(crate) struct Cells {
    pub(super) heading: Vec<String>,
    /// Whether a column is set flush right.
    pub(super) is_number: Vec<bool>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Cells {
    /// Columns are named as given; a name that begins with `>` is a number. No cell is an order to a
    /// terminal.
    pub(crate) fn new(columns: &[&str], mut rows: Vec<Vec<String>>) -> Self {
        for cell in rows.iter_mut().flatten() {
            if let Cow::Owned(escaped) = escaped(cell) {
                *cell = escaped;
            }
        }
        let heading = columns
            .iter()
            .map(|name| name.trim_start_matches('>').to_owned())
            .collect();
        let is_number = columns.iter().map(|name| name.starts_with('>')).collect();
        Self {
            heading,
            is_number,
            rows,
        }
    }

    pub(super) fn of_flows(rows: &[Record], resolver: Option<&Resolver>) -> Self {
        let mut columns = vec!["PROTOCOL", "SOURCE", "DESTINATION", ">PACKETS", ">BYTES"];
        let places = have_places(rows);
        if places {
            columns.extend(["INTERFACE", "DIRECTION"]);
        }
        let is_any_labelled = rows.iter().any(|flow| flow.decision.is_some());
        if is_any_labelled {
            columns.push(label::COLUMN);
        }
        let is_any_quic = quic::is_any_quic(rows);
        if is_any_quic {
            columns.extend(quic::COLUMNS);
        }
        let rows = rows.iter().map(|flow| {
            let mut cells = vec![
                flow_protocol(flow),
                end(flow.source, resolver),
                end(flow.destination, resolver),
                flow.count.packets.to_string(),
                unit::bytes(flow.count.bytes),
            ];
            if places {
                cells.extend([flow.interface.to_string(), direction(flow).to_owned()]);
            }
            if is_any_labelled {
                cells.push(label::cell(flow.decision.as_ref()));
            }
            if is_any_quic {
                cells.extend(quic::summary(flow.quic.as_deref()));
            }
            cells
        });
        Self::new(&columns, rows.collect())
    }

    pub(super) fn of_connections(rows: &[Connection], resolver: Option<&Resolver>) -> Self {
        let mut columns = vec![
            "PROTOCOL",
            "INITIATOR",
            "RESPONDER",
            ">PACKETS",
            ">BYTES",
            ">PACKETS BACK",
            ">BYTES BACK",
            ">DURATION",
            "STATE",
        ];
        let is_any_labelled = rows.iter().any(|one| one.decision.is_some());
        if is_any_labelled {
            columns.push(label::COLUMN);
        }
        let rows = rows.iter().map(|connection| {
            let mut cells = vec![
                connection.protocol_name.to_string(),
                end(connection.initiator, resolver),
                end(connection.responder, resolver),
                connection.forward.packets.to_string(),
                unit::bytes(connection.forward.bytes),
                connection.reverse.packets.to_string(),
                unit::bytes(connection.reverse.bytes),
                format!("{:.1} s", connection.duration_ns() as f64 / 1e9),
                connection
                    .state
                    .map_or("-", netweir_flow::ConnectionState::name)
                    .to_owned(),
            ];
            if is_any_labelled {
                cells.push(label::cell(connection.decision.as_ref()));
            }
            cells
        });
        Self::new(&columns, rows.collect())
    }

    /// The columns for people, which CSV begins with; `bytes` writes a number of bytes.
    pub(super) fn of_hosts(
        rows: &[Host],
        resolver: Option<&Resolver>,
        bytes: fn(u64) -> String,
    ) -> Self {
        let columns = [
            "ADDRESS",
            ">PACKETS SENT",
            ">BYTES SENT",
            ">PACKETS RECEIVED",
            ">BYTES RECEIVED",
        ];
        let rows = rows.iter().map(|host| {
            let address = Address::Ip(host.address);
            vec![
                end(
                    Endpoint {
                        address,
                        port: None,
                    },
                    resolver,
                ),
                host.sent.packets.to_string(),
                bytes(host.sent.bytes),
                host.received.packets.to_string(),
                bytes(host.received.bytes),
            ]
        });
        Self::new(&columns, rows.collect())
    }

    /// The same columns for people and for CSV; `bytes` writes a number of bytes.
    pub(super) fn of_interfaces(rows: &[view::Interface], bytes: fn(u64) -> String) -> Self {
        let columns = [
            "INTERFACE",
            "HOOK",
            "DIRECTION",
            ">PACKETS",
            ">FRAMES",
            ">BYTES",
            ">PROBLEMS",
        ];
        let rows = rows.iter().flat_map(|interface| {
            directions(interface).map(move |(name, direction)| {
                vec![
                    interface.name.clone(),
                    interface.hook.to_owned(),
                    name.to_owned(),
                    direction.seen.packets.to_string(),
                    direction.seen.frames.to_string(),
                    bytes(direction.seen.bytes),
                    direction.problems.values().sum::<u64>().to_string(),
                ]
            })
        });
        Self::new(&columns, rows.collect())
    }
}

/// Whether rows can be told apart only by where they were seen: on several interfaces, or twice on a
/// loopback interface.
fn have_places(rows: &[Record]) -> bool {
    let mut ends = HashSet::new();
    let mut interfaces = HashSet::new();
    rows.iter().any(|flow| {
        interfaces.insert((flow.netns, flow.ifindex));
        let is_new = ends.insert((flow_protocol(flow), flow.source, flow.destination));
        !is_new || interfaces.len() > 1
    })
}

fn direction(flow: &Record) -> &'static str {
    view::Flow::from(flow).direction
}

/// Both directions of an interface by name.
fn directions(
    interface: &view::Interface,
) -> impl Iterator<Item = (&'static str, &view::InterfaceDirection)> {
    [
        ("ingress", &interface.ingress),
        ("egress", &interface.egress),
    ]
    .into_iter()
}

/// The protocol's name, and for ICMP what kind of message it is.
fn flow_protocol(flow: &Record) -> String {
    match flow.icmp {
        Some(icmp) => format!("{} {}/{}", flow.protocol_name(), icmp.kind, icmp.code),
        None => flow.protocol_name().to_string(),
    }
}

/// An end, with the name in the address's place where there is one.
pub(super) fn end(end: Endpoint, resolver: Option<&Resolver>) -> String {
    let name = match (resolver, end.address) {
        (Some(resolver), Address::Ip(address)) => resolver.name(address),
        _ => None,
    };
    match (name, end.port) {
        (Some(name), Some(port)) => format!("{name}:{port}"),
        (Some(name), None) => name,
        (None, _) => end.to_string(),
    }
}

fn port(end: Endpoint) -> String {
    end.port.map_or_else(String::new, |port| port.to_string())
}

pub(super) fn csv_of_flows(rows: &[Record]) -> Cells {
    let columns = [
        "protocol",
        "source_address",
        "source_port",
        "destination_address",
        "destination_port",
        "packets",
        "frames",
        "bytes",
        "interface",
        "direction",
        "sampling",
    ];
    let rows = rows.iter().map(|flow| {
        let mut cells = vec![
            flow_protocol(flow),
            flow.source.address.to_string(),
            port(flow.source),
            flow.destination.address.to_string(),
            port(flow.destination),
            flow.count.packets.to_string(),
            flow.count.frames.to_string(),
            flow.count.bytes.to_string(),
            flow.interface.to_string(),
            direction(flow).to_owned(),
            flow.sampling.to_string(),
        ];
        cells.extend(quic::csv_summary(flow.quic.as_deref()));
        cells.extend(label::csv_cells(flow.decision.as_ref()));
        cells
    });
    let columns = [&columns[..], &quic::CSV_COLUMNS, &label::CSV_COLUMNS];
    Cells::new(&columns.concat(), rows.collect())
}

pub(super) fn csv_of_hosts(rows: &[Host]) -> Cells {
    let mut cells = Cells::of_hosts(rows, None, |bytes| bytes.to_string());
    cells.heading.push("sampling".to_owned());
    cells.is_number.push(true);
    for (line, host) in cells.rows.iter_mut().zip(rows) {
        line.push(host.sampling.to_string());
    }
    cells
}

pub(super) fn csv_of_connections(rows: &[Connection]) -> Cells {
    let columns = [
        "protocol",
        "initiator_address",
        "initiator_port",
        "responder_address",
        "responder_port",
        "packets",
        "bytes",
        "packets_back",
        "bytes_back",
        "duration_seconds",
        "interface",
        "sampling",
    ];
    let rows = rows.iter().map(|connection| {
        let mut cells = vec![
            connection.protocol_name.to_string(),
            connection.initiator.address.to_string(),
            port(connection.initiator),
            connection.responder.address.to_string(),
            port(connection.responder),
            connection.forward.packets.to_string(),
            connection.forward.bytes.to_string(),
            connection.reverse.packets.to_string(),
            connection.reverse.bytes.to_string(),
            format!("{:.3}", connection.duration_ns() as f64 / 1e9),
            connection.interface.to_string(),
            connection.sampling.to_string(),
        ];
        cells.extend(quic::csv_summary(connection.quic.as_deref()));
        cells.extend(label::csv_cells(connection.decision.as_ref()));
        cells
    });
    let columns = [&columns[..], &quic::CSV_COLUMNS, &label::CSV_COLUMNS];
    Cells::new(&columns.concat(), rows.collect())
}
