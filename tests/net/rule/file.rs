//! The file of the rules: what is wrong with it is named with its line, and nobody ever finds half of it.

use std::{
    collections::HashSet,
    fmt::Write as _,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use netweir_tests::await_that;
use rustix::process::Signal;

use super::command::Rules;

/// So many rules of a label, as a file.
pub(super) fn many(label: &str, count: u32) -> String {
    let mut text = String::new();
    for number in 0..count {
        let (high, low) = (number >> 8, number & 255);
        let _infallible = write!(
            text,
            "[[rule]]\nlabel = \"{label}\"\nsource = \"10.{high}.{low}.0/24\"\n\n"
        );
    }
    text
}

/// What stands behind 16 lines that are right, the line that is wrong, and what is said.
const WRONG: &[(&str, u32, &str)] = &[
    (
        "[[rule]]\nlabel = \"a b\"\n",
        18,
        "`label`: \"a b\" is not a label",
    ),
    ("[[rule]]\naction = \"drop\"\n", 17, "`label` is missing"),
    (
        "[[rule]]\nlabel = \"a\"\nports = 7\n",
        19,
        "`ports` is nothing that a rule can say",
    ),
    (
        "[[rule]]\nlabel = \"a\"\nvlan = [1, 2]\n",
        19,
        "`vlan`: \"1,2\" is not a VLAN",
    ),
    (
        "[[rule]]\nlabel = \"a\"\nvlan = 1.5\n",
        19,
        "vlan takes a string, a number",
    ),
    (
        "[[rule]]\nlabel = \"a\"\nnumber = 0\n",
        19,
        "number takes a number from 1 to",
    ),
    ("[[rule]\nlabel = \"a\"\n", 17, "not valid TOML: "),
    (
        "[[rule]]\nlabel = \"a\"\nlabel = \"b\"\n",
        19,
        "not valid TOML: duplicate key",
    ),
    (
        "[[rules]]\nlabel = \"a\"\n",
        17,
        "there is no rules here: rules are tables [[rule]]",
    ),
    (
        "[labels]\na = 0\n",
        18,
        "a label has a number from 1 to 65535",
    ),
    (
        "[labels]\na = 1\nb = 1\n",
        19,
        "label b has the number 1, which is that of another",
    ),
    (
        "[labels]\n\"a b\" = 1\n",
        18,
        "`label`: \"a b\" is not a label",
    ),
];

#[test]
fn a_file_with_an_error_is_not_loaded_at_all() {
    let rules = Rules::new();
    rules.told(&["add", "before"]);
    let before = rules.told(&["list", "--json"]);
    let four = many("a", 4);
    assert_eq!(four.lines().count(), 16);
    for (text, line, expected) in WRONG {
        let file = rules.file("wrong.toml", &format!("{four}{text}"));
        let told = rules.refused(&["load", &file]);
        let place = format!("netweir: {file}:{line}: {expected}");
        assert!(told.starts_with(&place), "{place}\n{told}");
        assert_eq!(rules.told(&["list", "--json"]), before, "{text}");
    }
    let table = rules.file("wrong.toml", "[rule]\nlabel = \"a\"\n");
    let told = rules.refused(&["load", &table]);
    assert!(
        told.ends_with(":1: begin each rule with [[rule]], in two brackets"),
        "{told}"
    );
}

/// The file that lasts is not for other hands, and tells whoever broke it where.
#[test]
fn a_file_of_rules_that_is_broken_is_named() {
    let rules = Rules::new();
    let file = rules.file("rules.toml", "[[rule]]\nlabel = \"a\"\n");
    let expected = format!("netweir: {file}:1: the rule has no number, or that of another; ");
    for arguments in [&["list"][..], &["add", "b"], &["del", "1"], &["export"]] {
        let told = rules.refused(arguments);
        assert!(told.starts_with(&expected), "{told}");
    }
    // Loading does not read less: it would forget the numbers of labels.
    let other = rules.file("other.toml", "[[rule]]\nlabel = \"b\"\n");
    assert!(rules.refused(&["load", &other]).starts_with(&expected));
}

#[test]
fn what_the_kernel_cannot_take_is_refused() {
    let rules = Rules::new();
    let full = rules.file("full.toml", &many("a", 1024));
    assert_eq!(rules.told(&["load", &full]), ["there are 1024 rules now"]);
    let told = rules.refused(&["add", "one-more"]);
    let expected = "netweir: 1025 rules are too many: the kernel programs take 1024 at most";
    assert_eq!(told, expected);
    let more = rules.file("more.toml", &many("a", 5000));
    let told = rules.refused(&["load", &more]);
    assert_eq!(
        told,
        "netweir: 5000 rules are too many: the kernel programs take 1024 at most"
    );
    let twice = many("a", 1024).replace("\n\n", "\nboth_ways = true\nvlan = 7\n\n");
    let told = rules.refused(&["load", &rules.file("twice.toml", &twice)]);
    assert!(
        told.contains("become 4096 rows, and the kernel programs take 2048 at most"),
        "{told}"
    );
    // Ranges of ports that all overlap, and differ at both ends.
    let mut entangled = String::new();
    for number in 0..1000 {
        let _infallible = write!(
            entangled,
            "[[rule]]\nlabel = \"a\"\nsource_port = \"{}-{}\"\ndestination_port = \"{}-{}\"\n",
            number * 17 % 30_000,
            30_000 + number * 31 % 30_000,
            number * 23 % 30_000,
            30_000 + number * 13 % 30_000,
        );
    }
    let told = rules.refused(&["load", &rules.file("entangled.toml", &entangled)]);
    assert!(
        told.starts_with("netweir: the rules overlap too much for the kernel programs"),
        "{told}"
    );
    assert_eq!(rules.told(&["list", "--json"]).len(), 1024);
    assert_eq!(rules.told(&["del", "1024"]), ["removed 1 rule"]);
    rules.told(&["add", "room"]);
}

/// Both find all that the other one has added.
#[test]
fn two_who_add_at_once_lose_nothing() {
    const EACH: usize = 50;
    let rules = &Rules::new();
    thread::scope(|scope| {
        for who in ["a", "bb"] {
            scope.spawn(move || {
                for number in 0..EACH {
                    let source = format!("10.{}.{number}.1", who.len());
                    rules.told(&["add", &format!("{who}{number}"), "--source", &source]);
                }
            });
        }
    });
    let listed: Vec<serde_json::Value> = rules
        .told(&["list", "--json"])
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for figure in ["number", "label", "label_id"] {
        let found: HashSet<_> = listed.iter().map(|rule| rule[figure].to_string()).collect();
        assert_eq!(found.len(), 2 * EACH, "{figure}");
    }
}

/// Whoever is killed while the file is written leaves the old rules or the new ones, and no lock.
#[test]
fn a_change_that_is_killed_is_whole_or_none() {
    const TRIES: usize = 20;
    let rules = Rules::new();
    let files = ["a", "b"].map(|label| {
        let file = rules.file(&format!("{label}.toml"), &many(label, 1000));
        rules.told(&["load", &file]);
        (file, rules.told(&["export"]))
    });
    let new = rules.folder().join("rules.toml.new");
    let (mut old_stayed, mut cut) = (0, 0);
    for turn in 0..TRIES {
        let (file, _) = &files[turn % 2];
        let child = rules.call(&["load", file]).start();
        // Now it is being written, or has been.
        await_that(|| {
            let is_over = Path::new(&format!("/proc/{}/exe", child.process()))
                .read_link()
                .is_err();
            (new.exists() || is_over)
                .then_some(())
                .ok_or_else(|| "it does not begin".into())
        });
        let before = fs::read(rules.folder().join("rules.toml")).unwrap();
        let killed = child.end(Signal::KILL).was_killed();
        let exported = rules.told(&["export"]);
        assert!(
            files.iter().any(|(_, expected)| *expected == exported),
            "turn {turn}"
        );
        let after = fs::read(rules.folder().join("rules.toml")).unwrap();
        old_stayed += usize::from(killed && before == after);
        cut += usize::from(new.exists());
    }
    assert!(
        old_stayed > 0 && cut > 0,
        "none was killed in time: {old_stayed} {cut}"
    );
    rules.told(&["add", "after"]);
    assert!(!new.exists(), "what was left is used up");
}

/// Whoever reads while others change finds what was before or what is behind, every time.
#[test]
fn who_reads_never_finds_half_of_a_change() {
    const COUNT: u32 = 1000;
    let rules = &Rules::new();
    let files = ["a", "b"].map(|label| rules.file(&format!("{label}.toml"), &many(label, COUNT)));
    rules.told(&["load", &files[0]]);
    let is_over = &AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(move || {
            for turn in 0..10 {
                rules.told(&["load", &files[turn % 2]]);
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let file = rules.folder().join("rules.toml");
        while !is_over.load(Ordering::Relaxed) {
            let text = fs::read_to_string(&file).unwrap();
            let of = |label| text.matches(&format!("\nlabel = \"{label}\"\n")).count();
            let counts = [of("a"), of("b")].map(|count| count as u32);
            assert!([[COUNT, 0], [0, COUNT]].contains(&counts), "{counts:?}");
            assert!(text.contains("\n[labels]\n\"a\" = 1\n"), "{text}");
        }
    });
}
