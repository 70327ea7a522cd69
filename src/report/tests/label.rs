//! Reports where rules decide.

use std::sync::Arc;

use super::*;
use crate::rules::{Book, parse};

/// The conversation under rules: `dns` counts what goes to port 53, `answers` drops what comes from it.
fn labelled() -> Meter {
    let text = "[[rule]]\nlabel = \"dns\"\ndestination_port = 53\n\n\
                [[rule]]\nlabel = \"answers\"\naction = \"drop\"\nsource_port = 53\n\n\
                [[rule]]\nlabel = \"answers\"\ninterface = \"wg0\"\n";
    let contents = parse("rules.toml", text).expect("rules");
    let book = Book::of_file("rules", contents).expect("a book");
    let rules = book.set().compile().expect("they fit");
    let mut meter = Meter::new(&Settings::default(), 0);
    meter.set_rules(&book.labelled());
    let tally = Tally::new(Box::new(PortClasses { bits: [0; 65536] }));
    let mut tally = tally.with_rules(Arc::new(rules));
    tally.begin_file("eth0");
    let other = (0, datagram((3, 1), (2, 80), 0));
    for (interface, bytes) in conversation().iter().chain([&other]) {
        tally.add(&Frame {
            interface: *interface,
            link: LinkType::Ip,
            direction: Direction::Ingress,
            timestamp_ns: 1_000_000_000,
            wire_bytes: bytes.len() as u32,
            bytes,
        });
    }
    tally.hand_over(&mut meter, 2_000_000_000);
    meter.tick(2_000_000_000);
    meter
}

#[test]
fn flows_show_the_label_of_their_rule() {
    let expected = "\
PROTOCOL  SOURCE           DESTINATION      PACKETS     BYTES  LABEL
UDP       192.0.2.2:53     192.0.2.1:40000        1  1.50 KiB  answers
UDP       192.0.2.1:40000  192.0.2.2:53           2      80 B  dns
UDP       192.0.2.3:1      192.0.2.2:80           1      28 B  -
";
    let meter = labelled();
    assert_eq!(report(By::Flow, Format::Table, &meter), expected);
    let csv = report(By::Flow, Format::Csv, &meter);
    let lines: Vec<_> = csv.lines().collect();
    assert!(lines[1].ends_with(",answers,2,drop"), "{csv}");
    assert!(lines[3].ends_with(",,,"), "{csv}");
    let json = report(By::Flow, Format::Json, &meter);
    let first: serde_json::Value =
        serde_json::from_str(json.lines().next().expect("a row")).expect("JSON");
    assert_eq!(
        (&first["label"], &first["rule"], &first["action"]),
        (&"answers".into(), &2.into(), &"drop".into())
    );
    let connections = report(By::Connection, Format::Table, &meter);
    assert!(
        connections
            .lines()
            .nth(1)
            .is_some_and(|row| row.ends_with("  dns"))
    );
}

#[test]
fn labels_are_a_report_of_their_own() {
    let expected = "\
LABEL    RULES  FLOWS  PACKETS     BYTES         RATE  DROPPED  SPARED
answers  2 3        1        1  1.50 KiB  6.14 kbit/s        0       1
dns      1          1        2      80 B    320 bit/s        0       0
-        -          1        1      28 B    112 bit/s        0       0
";
    let meter = labelled();
    assert_eq!(report(By::Label, Format::Table, &meter), expected);
    let expected = "\
label,rules,flows,packets,frames,bytes,bits_per_second,packets_per_second,dropped_packets,dropped_bytes,spared_packets,spared_bytes,sampling
answers,2 3,1,1,1,1536,6144,0.5,0,0,1,1536,1
dns,1,1,2,2,80,320,1,0,0,0,0,1
,,1,1,1,28,112,0.5,0,0,0,0,1
";
    assert_eq!(report(By::Label, Format::Csv, &meter), expected);
    let top = report_of(Some(1), By::Label, Format::Json, &meter);
    let row: serde_json::Value = serde_json::from_str(&top).expect("one row");
    assert_eq!(row["label"], "answers");
    assert_eq!(row["spared"]["bytes"], 1536);
    let by_name = ViewArgs {
        sort: "label".into(),
        ..arguments(None, Format::Csv)
    };
    let view = View::new(By::Label, &by_name).expect("a view");
    let mut text = Vec::new();
    view.write(&view.report(&|look| look(&meter), None), &mut text)
        .expect("a vector takes everything");
    let text = String::from_utf8(text).expect("text");
    let names = text.lines().skip(1).map(|line| line.split(',').next());
    assert_eq!(
        names.collect::<Vec<_>>(),
        [Some(""), Some("answers"), Some("dns")]
    );
    let filtered = ViewArgs {
        filter: Some("tcp".into()),
        ..arguments(None, Format::Table)
    };
    assert!(View::new(By::Label, &filtered).is_err());
}

#[test]
fn the_accounting_says_what_rules_dropped() {
    let table = report(By::Accounting, Format::Table, &labelled());
    let rows: Vec<_> = table.lines().collect();
    assert!(
        rows[0].ends_with("VERDICT   DROPPED        SPARED"),
        "{table}"
    );
    assert!(
        rows[1].ends_with("balanced  0 (0 B)  1 (1.50 KiB)"),
        "{table}"
    );
    let csv = report(By::Accounting, Format::Csv, &labelled());
    assert!(csv.contains(",true,0,0,1,1536\n"), "{csv}");
    let json = report(By::Accounting, Format::Json, &labelled());
    assert!(
        json.contains("\"spared\":{\"packets\":1,\"bytes\":1536}"),
        "{json}"
    );
}
