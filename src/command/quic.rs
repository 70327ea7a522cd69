//! `netweir quic`: QUIC connections, or the datagrams with long headers one by one.

use std::{
    io::{self, Write},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::bail;
use netweir_flow::{
    Meter, Totals,
    quic::{Accounting, connection::Outcome},
};
use netweir_wire::map::Class;

use super::flows::{self, print_books};
use crate::{
    args::{EveryArgs, Format},
    config::{Config, QuicPorts},
    log::tell,
    metering::{Metering, namespaces},
    report::{View, write_datagrams},
    stop::Stop,
    unit::things,
};

/// The time between two looks for datagrams.
const PAUSE: Duration = Duration::from_millis(200);

/// Datagrams that wait to be printed at most.
pub(super) const MAX_TRACED: usize = 65_536;

/// Reports connections until the program is to end, or as often as was asked for.
pub(super) fn run(config: &Config, view: &View, every: &EveryArgs) -> anyhow::Result<()> {
    expect_on(config)?;
    flows::run(config, view, every)
}

/// Prints a line for each datagram until the program is to end.
pub(super) fn events(config: &Config, format: Format) -> anyhow::Result<()> {
    expect_on(config)?;
    expect_lines(format)?;
    let mut config = config.clone();
    config.quic.max_traced = MAX_TRACED;
    let stop = Arc::new(Stop::on_signals()?);
    let metering = Metering::start(
        &config,
        namespaces(&config)?,
        Arc::clone(&stop),
        Box::new(|_| {}),
    )?;
    let meter = Arc::clone(&metering.meter);
    let shown = loop {
        if stop.wait(PAUSE)? {
            break Ok(());
        }
        if let Err(error) = print_datagrams(&meter, format) {
            break Err(error);
        }
    };
    let metered = metering.finish();
    let shown = shown.and_then(|()| print_datagrams(&meter, format));
    print_books(&meter);
    print_quic_books(&meter);
    metered.and(Ok(shown?))
}

/// That the datagrams can be printed like this.
pub(super) fn expect_lines(format: Format) -> anyhow::Result<()> {
    if format == Format::Csv {
        bail!("--events prints a line or a JSON object for each datagram, and no CSV");
    }
    Ok(())
}

fn expect_on(config: &Config) -> anyhow::Result<()> {
    if config.quic.ports.is_empty() {
        bail!("QUIC is off: name a port in ports.quic, or any");
    }
    if config.maps.quic == 0 {
        bail!("QUIC is off in the kernel: set maps.quic to the bytes of its ring buffer");
    }
    Ok(())
}

fn print_datagrams(meter: &RwLock<Meter>, format: Format) -> io::Result<()> {
    let traced = meter
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .take_datagrams();
    let mut out = io::BufWriter::new(io::stdout().lock());
    write_datagrams(&traced, format, &mut out)?;
    out.flush()
}

/// Prints to standard error at the end what became of all that looked like QUIC.
pub(super) fn print_quic_books(meter: &RwLock<Meter>) {
    let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
    let Some(quic) = meter.quic() else { return };
    for line in quic_books(&quic.accounting()) {
        tell(&line);
    }
}

/// What became of everything; then, each on a line of its own, why the report has not all of it.
fn quic_books(books: &Accounting) -> Vec<String> {
    let mut lines = vec![outcomes(books)];
    lines.extend(limits_met(books));
    if books.untraced > 0 {
        let untraced = books.untraced;
        let untraced = things(untraced, "datagram");
        lines.push(format!("{untraced} not printed: they came too fast"));
    }
    lines
}

fn outcomes(books: &Accounting) -> String {
    let named = [
        Outcome::Proven,
        Outcome::Matched,
        Outcome::Guessed,
        Outcome::Full,
    ];
    let counts = named.map(|outcome| books.table.outcome(outcome));
    let [proven, matched, guessed, full] = counts;
    let others = books.table.events - counts.iter().sum::<u64>();
    let lost: u64 = books.kernel.lost.iter().sum();
    format!(
        "QUIC: {} with long headers, {lost} of them lost, and {} with short ones; {} = {proven} proven + {matched} matched + {guessed} guessed + {full} full + {others} \
         others; {} and {} live, {} ended",
        things(books.kernel.long, "datagram"),
        books.kernel.short,
        things(books.table.events, "event"),
        things(books.connections as u64, "connection"),
        match books.guesses {
            1 => "1 guess".to_owned(),
            guesses => format!("{guesses} guesses"),
        },
        books.ended,
    )
}

/// Which settings to raise so that more is known; nothing where no limit of theirs was met.
fn limits_met(books: &Accounting) -> Option<String> {
    let met: Vec<String> = books
        .settings_met()
        .map(|(setting, times)| {
            let times = things(times, "time");
            format!("{setting} {times} (raise it with --set {setting}=N)")
        })
        .collect();
    (!met.is_empty()).then(|| format!("limits met: {}", met.join(", ")))
}

/// Prints a hint to standard error where there was UDP, and nothing of it on the ports of QUIC.
pub(super) fn print_port_hint(meter: &RwLock<Meter>, ports: &QuicPorts) {
    let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
    let packets = |totals: &Totals, class| totals.class(class).total.packets;
    let hint = meter.totals(None).and_then(|totals| {
        let udp = packets(&totals, Class::Udp);
        port_hint(ports, udp, packets(&totals, Class::QuicCandidate))
    });
    if let Some(hint) = hint {
        tell(&hint);
    }
}

/// What to do where none of the UDP packets is on a port of QUIC.
fn port_hint(ports: &QuicPorts, udp: u64, on_ports: u64) -> Option<String> {
    let QuicPorts::These(ports) = ports else {
        return None;
    };
    if udp == 0 || on_ports > 0 {
        return None;
    }
    let names: Vec<_> = ports.iter().map(u16::to_string).collect();
    let names = match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    Some(format!(
        "{udp} UDP packets, and none of them on a port of QUIC (ports.quic: {names}); \
         --set ports.quic=PORT,PORT looks at others, --set ports.quic=any at all"
    ))
}

#[cfg(test)]
mod tests {
    use super::{Accounting, Outcome, QuicPorts, port_hint, quic_books};
    use netweir_flow::quic::connection::Limit;

    #[test]
    fn what_was_lost_is_named_at_the_end_with_what_to_do() {
        let mut books = Accounting::default();
        books.kernel.long = 20;
        books.kernel.short = 6;
        books.table.events = 26;
        for (outcome, events) in [
            (Outcome::Proven, 7),
            (Outcome::Matched, 5),
            (Outcome::Guessed, 1),
            (Outcome::NotQuic, 9),
            (Outcome::NoConnection, 4),
        ] {
            books.table.outcomes[outcome as usize] = events;
        }
        let expected = "QUIC: 20 datagrams with long headers, 0 of them lost, and 6 with short ones; \
                        26 events = 7 proven + 5 matched + 1 guessed + 0 full + 13 others; \
                        0 connections and 0 guesses live, 0 ended";
        assert_eq!(quic_books(&books), [expected]);

        books.table.outcomes[Outcome::Full as usize] = 3;
        books.table.events += 3;
        for (limit, times) in [
            (Limit::Connections, 3),
            (Limit::Unanswered, 9_464),
            (Limit::CryptoInAll, 2),
            // No setting can be raised for it.
            (Limit::Paths, 8),
        ] {
            books.table.limits[limit as usize] = times;
        }
        books.untraced = 4;
        let lines = quic_books(&books);
        assert!(
            lines[0].contains("+ 1 guessed + 3 full + 13 others;"),
            "{lines:?}"
        );
        let expected = [
            "limits met: quic.max_connections 9467 times (raise it with --set quic.max_connections=N), \
             quic.max_hello_memory 2 times (raise it with --set quic.max_hello_memory=N)",
            "4 datagrams not printed: they came too fast",
        ];
        assert_eq!(lines[1..], expected);

        let mut books = Accounting::default();
        (books.kernel.long, books.table.events) = (1, 1);
        (books.connections, books.guesses) = (1, 1);
        let line = &quic_books(&books)[0];
        assert!(line.starts_with("QUIC: 1 datagram with"), "{line}");
        assert!(line.contains("; 1 event = "), "{line}");
        assert!(
            line.ends_with("; 1 connection and 1 guess live, 0 ended"),
            "{line}"
        );
    }

    #[test]
    fn who_looks_at_the_wrong_ports_is_told_how_to_look_at_others() {
        let usual = QuicPorts::These(vec![443, 4433]);
        let expected = "7 UDP packets, and none of them on a port of QUIC (ports.quic: 443, 4433); \
                        --set ports.quic=PORT,PORT looks at others, --set ports.quic=any at all";
        assert_eq!(port_hint(&usual, 7, 0).as_deref(), Some(expected));
        let off = port_hint(&QuicPorts::These(vec![]), 7, 0);
        assert!(off.is_some_and(|hint| hint.contains("ports.quic: none")));
        for (ports, udp, on_ports) in [(&usual, 7, 1), (&usual, 0, 0), (&QuicPorts::Any, 7, 0)] {
            assert_eq!(port_hint(ports, udp, on_ports), None);
        }
    }
}
