//! Reports: what the meter knows, as rows for people and for programs.
//!
//! A table has the few columns that people read; JSON lines are the types of the API; CSV has the
//! same columns as the table with plain numbers.

mod accounting;
mod cell;
mod label;
mod quic;
mod resolve;
mod screen;

use std::{
    borrow::Cow,
    io::{self, Write},
};

use anyhow::bail;
use netweir_flow::{
    Connection, Filter, Host, LabelTotals, Listing, Meter, Query, Record, SortKey,
    quic as flow_quic,
};
use netweir_web::view;

use crate::{
    args::{By, Format, ViewArgs},
    unit,
};
pub(crate) use cell::Cells;
pub(crate) use quic::write_datagrams;
pub(crate) use resolve::Resolver;
pub(crate) use screen::Screen;

/// What a report shows, understood.
pub(crate) struct View {
    by: By,
    query: Query,
    /// Whether the person said how many rows.
    limited: bool,
    format: Format,
    resolver: Option<Resolver>,
}

/// What lends a meter for one look.
type Lend<'a> = dyn Fn(&mut dyn FnMut(&Meter)) + 'a;

/// What one report shows.
pub(crate) struct Report {
    rows: Rows,
    /// One frame in so many was counted, and the rows are multiplied by it; 1 if they are exact.
    sampling: u32,
}

/// The rows of one report.
enum Rows {
    /// One for each flow.
    Flows(Vec<Record>),
    /// One for each conversation.
    Connections(Vec<Connection>),
    /// One for each address.
    Hosts(Vec<Host>),
    /// One for each QUIC connection.
    Quic(Vec<flow_quic::Record>),
    /// One for each label.
    Labels(Vec<LabelTotals>),
    /// One for each interface.
    Interfaces(Vec<view::Interface>),
    /// One for each direction of each interface.
    Accounting(Vec<view::InterfaceAccounting>),
}

impl View {
    /// Understands the arguments.
    ///
    /// # Errors
    /// The filter or the sort key cannot be understood, or there is nothing to choose from.
    pub(crate) fn new(by: By, args: &ViewArgs) -> anyhow::Result<Self> {
        let is_whole = matches!(by, By::Interface | By::Accounting);
        if is_whole && (args.top.is_some() || args.filter.is_some()) {
            bail!("a report by interface has all of them: it takes no --top and no --filter");
        }
        if by == By::Label && args.filter.is_some() {
            bail!(
                "a report by label is of all that was counted since the start: it takes no --filter"
            );
        }
        let filter = args.filter.as_deref().map(Filter::parse).transpose()?;
        let sort: SortKey = args.sort.parse()?;
        let ascending = matches!(
            sort,
            SortKey::First
                | SortKey::Source
                | SortKey::Destination
                | SortKey::Protocol
                | SortKey::Label
        );
        let query = Query {
            filter,
            interface: None,
            sort,
            descending: !ascending,
            limit: args.top.filter(|&top| top != 0),
        };
        let resolver = args.resolve.then(Resolver::start);
        Ok(Self {
            by,
            query,
            limited: args.top.is_some(),
            format: args.format(),
            resolver,
        })
    }

    /// Whether people read the report, and not programs.
    pub(crate) fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Whether its rows are QUIC connections.
    pub(crate) fn is_quic(&self) -> bool {
        self.by == By::Quic
    }

    /// Takes a report out of a meter; at most `fitting` rows where nobody said how many. `with` lends
    /// the meter for one look; where the number of rows is limited, there are many short ones.
    pub(crate) fn report(&self, with: &Lend<'_>, fitting: Option<usize>) -> Report {
        let mut query = self.query.clone();
        if !self.limited {
            query.limit = fitting;
        }
        let rows = match self.by {
            By::Flow => Rows::Flows(list(query, with, Meter::flows, Listing::<Record>::read)),
            By::Connection => {
                let read = Listing::<Connection>::read;
                Rows::Connections(list(query, with, Meter::connections, read))
            }
            By::Ip => Rows::Hosts(list(query, with, Meter::hosts, Listing::<Host>::read)),
            By::Quic => {
                let read = Listing::<flow_quic::Record>::read;
                Rows::Quic(list(query, with, Meter::quic_connections, read))
            }
            By::Label => Rows::Labels(look(with, |meter| meter.labels(&query))),
            By::Interface => Rows::Interfaces(look(with, |meter| {
                meter.interfaces().map(view::Interface::from).collect()
            })),
            By::Accounting => {
                let lines = look(with, |meter| meter.accounting().interfaces);
                Rows::Accounting(lines.iter().map(view::InterfaceAccounting::from).collect())
            }
        };
        let sampling = match rows {
            Rows::Interfaces(_) | Rows::Accounting(_) => 1,
            Rows::Flows(_)
            | Rows::Connections(_)
            | Rows::Hosts(_)
            | Rows::Quic(_)
            | Rows::Labels(_) => look(with, Meter::sampling),
        };
        Report { rows, sampling }
    }

    /// Writes a report.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub(crate) fn write(&self, report: &Report, out: &mut impl Write) -> io::Result<()> {
        let Report { rows, sampling } = report;
        match self.format {
            Format::Table => {
                if *sampling > 1 {
                    writeln!(out, "sampled 1:{sampling}, scaled")?;
                }
                write_table(&rows.cells(self.resolver.as_ref()), out)
            }
            Format::Json => rows.write_json(*sampling, out),
            Format::Csv => write_csv(&rows.csv(*sampling), out),
        }
    }
}

/// A list: slice by slice, unless all of it is wanted anyway.
fn list<T>(
    query: Query,
    with: &Lend<'_>,
    all: fn(&Meter, &Query) -> Vec<T>,
    read: fn(&mut Listing<T>, &Meter) -> bool,
) -> Vec<T> {
    if query.limit.is_none() {
        return look(with, |meter| all(meter, &query));
    }
    let mut listing = Listing::new(query);
    while look(with, |meter| read(&mut listing, meter)) {}
    listing.finish()
}

/// Takes something out of a meter at one look.
fn look<T: Default>(with: &Lend<'_>, mut take: impl FnMut(&Meter) -> T) -> T {
    let mut taken = T::default();
    with(&mut |meter| taken = take(meter));
    taken
}

impl Rows {
    fn cells(&self, resolver: Option<&Resolver>) -> Cells {
        match self {
            Self::Flows(rows) => Cells::of_flows(rows, resolver),
            Self::Connections(rows) => Cells::of_connections(rows, resolver),
            Self::Hosts(rows) => Cells::of_hosts(rows, resolver, unit::bytes),
            Self::Quic(rows) => quic::cells(rows, resolver),
            Self::Labels(rows) => label::cells(rows),
            Self::Interfaces(rows) => Cells::of_interfaces(rows, unit::bytes),
            Self::Accounting(rows) => accounting::cells(rows),
        }
    }

    fn write_json(&self, sampling: u32, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Flows(rows) => json_lines(rows.iter().map(view::Flow::from), out),
            Self::Connections(rows) => json_lines(rows.iter().map(view::Connection::from), out),
            Self::Hosts(rows) => json_lines(rows.iter().map(view::Host::from), out),
            Self::Quic(rows) => json_lines(rows.iter().map(view::QuicConnection::from), out),
            Self::Labels(rows) => {
                let label = |totals| view::Label::new(totals, sampling);
                json_lines(rows.iter().map(label), out)
            }
            Self::Interfaces(rows) => json_lines(rows.iter(), out),
            Self::Accounting(rows) => json_lines(rows.iter(), out),
        }
    }

    fn csv(&self, sampling: u32) -> Cells {
        match self {
            Self::Flows(rows) => cell::csv_of_flows(rows),
            Self::Connections(rows) => cell::csv_of_connections(rows),
            Self::Hosts(rows) => cell::csv_of_hosts(rows),
            Self::Quic(rows) => quic::csv(rows),
            Self::Labels(rows) => label::csv(rows, sampling),
            Self::Interfaces(rows) => Cells::of_interfaces(rows, |bytes| bytes.to_string()),
            Self::Accounting(rows) => accounting::csv(rows),
        }
    }
}

/// Columns as wide as their widest cell.
pub(crate) fn write_table(cells: &Cells, out: &mut impl Write) -> io::Result<()> {
    let lines: Vec<&Vec<String>> = std::iter::once(&cells.heading).chain(&cells.rows).collect();
    let widths: Vec<usize> = (0..cells.heading.len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for line in lines {
        let mut text = String::new();
        for ((cell, &width), &is_number) in line.iter().zip(&widths).zip(&cells.is_number) {
            let padding = " ".repeat(width - cell.chars().count());
            let (before, after) = if is_number {
                (&*padding, "")
            } else {
                ("", &*padding)
            };
            text.extend([before, cell, after, "  "]);
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

/// Comma-separated values; the heading in lower case, without blanks.
pub(crate) fn write_csv(cells: &Cells, out: &mut impl Write) -> io::Result<()> {
    let heading = cells
        .heading
        .iter()
        .map(|name| name.to_lowercase().replace(' ', "_"))
        .collect();
    std::iter::once(&heading)
        .chain(&cells.rows)
        .try_for_each(|line| {
            let cells = line.iter().map(|cell| quoted(&without_formula(cell)));
            let line: Vec<String> = cells.collect();
            writeln!(out, "{}", line.join(","))
        })
}

/// One JSON object a line.
pub(crate) fn json_lines<T: serde::Serialize>(
    rows: impl Iterator<Item = T>,
    out: &mut impl Write,
) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, &row)?;
        writeln!(out)?;
    }
    Ok(())
}

/// A cell that no spreadsheet takes for a formula: a quote stands before what begins like one, as names
/// of servers and interfaces may. Numbers are left as they are, and so is a sign alone.
fn without_formula(cell: &str) -> Cow<'_, str> {
    let is_number = |text: &str| text.bytes().all(|one| one.is_ascii_digit() || one == b'.');
    let is_harmless = cell.strip_prefix('-').is_some_and(is_number);
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_harmless {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// A cell of CSV (RFC 4180 section 2).
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests;
