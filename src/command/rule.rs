//! `netweir rule`: naming parts of the traffic, and saying what is done with them.

use std::{
    fs::File,
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    path::Path,
};

use anyhow::{Context, anyhow, bail};
use netweir_flow::rule::{Action, Field, Numbered, Question, Rule};
use netweir_web::{KnownRules, view};

use super::attach::refresh_rules;
use crate::{
    args::{Format, RuleCommand, RuleTestArgs},
    config::Config,
    log::tell,
    report::{Cells, json_lines, write_csv, write_table},
    rules::{Store, WontDo, export, parse, read},
};

/// Runs what was typed behind `rule`.
pub(super) fn run(config: &Config, command: &RuleCommand) -> anyhow::Result<()> {
    let store = Store::new(&config.rules.file);
    match command {
        RuleCommand::Add(args) => {
            let rule = rule(&args.fields())?;
            warn_of(&rule);
            let number = store.change(|book| book.add(rule))?;
            warn_of_hidden(&store, |pair| pair.contains(&number))?;
            refresh_rules(config)?;
            say(&format!("rule {number} is added"))
        }
        RuleCommand::Del {
            numbers,
            label,
            all,
        } => {
            delete(&store, numbers, label.as_deref(), *all)?;
            refresh_rules(config)
        }
        RuleCommand::List(args) => list(&store.read()?.known(), args.format()),
        RuleCommand::Load { file } => {
            load(&store, file)?;
            warn_of_hidden(&store, |_| true)?;
            refresh_rules(config)
        }
        RuleCommand::Export => {
            let book = store.read()?;
            let text = export(book.rules().iter().map(|known| &known.rule));
            Ok(io::stdout().lock().write_all(text.as_bytes())?)
        }
        RuleCommand::Test(args) => test(&store.read()?.known(), args),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout().lock(), "{line}")?)
}

/// A number of rules, in words.
fn rules(count: usize) -> String {
    if count == 1 {
        "1 rule".to_owned()
    } else {
        format!("{count} rules")
    }
}

/// Says what may not have been meant, before it is done.
fn warn_of(rule: &Rule) {
    let is_wide = rule.prefix_bits() == 0
        && rule.source_ports.is_none()
        && rule.destination_ports.is_none()
        && rule.protocol.is_none();
    if rule.action == Action::Drop && is_wide {
        tell(
            "the rule states neither address, port nor protocol: where it holds it drops \
             everything, ARP and neighbour discovery too",
        );
    }
}

/// Says which of some rules never decide, and by which.
fn warn_of_hidden(store: &Store, is_of_interest: impl Fn(&[u16; 2]) -> bool) -> anyhow::Result<()> {
    let hidden = store.read()?.known().set.hidden();
    for [number, by] in hidden.into_iter().filter(is_of_interest) {
        tell(&format!(
            "rule {number} never decides: rule {by} asks for the same and comes first"
        ));
    }
    Ok(())
}

/// A rule of these fields.
fn rule(fields: &[(Field, String)]) -> anyhow::Result<Rule> {
    let mut rule = Rule::default();
    for (field, text) in fields {
        rule.set(*field, text)?;
    }
    rule.check()?;
    Ok(rule)
}

fn delete(store: &Store, numbers: &[u16], label: Option<&str>, all: bool) -> anyhow::Result<()> {
    let removed = store.change(|book| {
        let removed = book.remove(|known| {
            all || numbers.contains(&known.number) || label == Some(known.rule.label.as_str())
        });
        let is_removed = |number: &u16| removed.iter().any(|known| known.number == *number);
        if let Some(missing) = numbers.iter().find(|number| !is_removed(number)) {
            return Err(WontDo::Unknown(*missing).into());
        }
        if removed.is_empty() && !all {
            let label = label.unwrap_or_default();
            bail!("no rule has the label {label:?}; `netweir rule list` shows them");
        }
        Ok(removed.len())
    })?;
    say(&format!("removed {}", rules(removed)))
}

fn load(store: &Store, file: &Path) -> anyhow::Result<()> {
    let name = file.display().to_string();
    let text = if file == Path::new("-") {
        read(io::stdin().lock()).context("cannot read standard input")?
    } else {
        let text = File::open(file).and_then(read);
        text.with_context(|| format!("cannot read {name}"))?
    };
    let contents = parse(&name, &text)?;
    let loaded: Vec<Rule> = contents.rules.into_iter().map(|entry| entry.rule).collect();
    let count = loaded.len();
    if count == 0 {
        // As from a pipe whose beginning failed.
        bail!("{name} has no rules; `netweir rule del --all` removes all that there are");
    }
    store.change(|book| book.replace(loaded))?;
    let are = if count == 1 { "is" } else { "are" };
    say(&format!("there {are} {} now", rules(count)))
}

fn list(known: &KnownRules, format: Format) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let rules = known.set.rules();
    match format {
        Format::Json => {
            let row = |rule: &Numbered| view::Rule::new(rule, known.label_id(&rule.rule.label));
            json_lines(rules.iter().map(row), &mut out)?;
        }
        Format::Csv => write_csv(&cells(known, &Field::ALL, ""), &mut out)?,
        Format::Table if rules.is_empty() => {
            writeln!(
                out,
                "there are no rules; `netweir rule add --help` says how to add one"
            )?;
        }
        Format::Table => write_table(&cells(known, &said(rules), "-"), &mut out)?,
    }
    Ok(out.flush()?)
}

/// Fields that a rule states, and those that every rule has: a table has no empty columns.
fn said(rules: &[Numbered]) -> Vec<Field> {
    let is_said = |field: &Field| {
        matches!(field, Field::Label | Field::Action)
            || rules.iter().any(|known| known.rule.text(*field).is_some())
    };
    Field::ALL.into_iter().filter(is_said).collect()
}

/// A row for each rule; `nothing` stands for what it does not say.
fn cells(known: &KnownRules, fields: &[Field], nothing: &str) -> Cells {
    let heading: Vec<_> = fields
        .iter()
        .map(|field| field.name().replace('_', " ").to_uppercase())
        .collect();
    let mut columns = vec![">NUMBER"];
    columns.extend(heading.iter().map(String::as_str));
    let rows = known.set.rules().iter().map(|Numbered { number, rule }| {
        let text = |field: &Field| rule.text(*field).unwrap_or_else(|| nothing.to_owned());
        std::iter::once(number.to_string())
            .chain(fields.iter().map(text))
            .collect()
    });
    Cells::new(&columns, rows.collect())
}

/// Says which rule decides about a packet, and why.
fn test(known: &KnownRules, args: &RuleTestArgs) -> anyhow::Result<()> {
    let ends = [end(&args.source)?, end(&args.destination)?];
    let asked = [
        (Field::Protocol, &args.protocol),
        (Field::Interface, &args.interface),
        (Field::Direction, &args.direction),
        (Field::Vlan, &args.vlan),
        (Field::Backend, &args.backend),
    ];
    let asked: Vec<_> = asked
        .iter()
        .filter_map(|(field, text)| Some((*field, text.as_deref()?)))
        .collect();
    let question = Question::new(ends, &asked)?;
    let answer = view::RuleTest::new(&known.set, |label| known.label_id(label), &question);
    let mut out = io::stdout().lock();
    match args.format.format() {
        Format::Json => json_lines([&answer].into_iter(), &mut out)?,
        Format::Csv => write_csv(&reasons(&answer.matching), &mut out)?,
        Format::Table => {
            writeln!(out, "{}", verdict(&answer))?;
            if !answer.matching.is_empty() {
                writeln!(out)?;
                write_table(&reasons(&answer.matching), &mut out)?;
            }
        }
    }
    Ok(out.flush()?)
}

/// What becomes of the packet, in words.
fn verdict(answer: &view::RuleTest) -> String {
    match (answer.number, &answer.label) {
        (Some(number), Some(label)) => {
            format!(
                "rule {number} decides: label {label}, action {}",
                answer.action
            )
        }
        _ => "no rule matches: the packet is counted, without a label".to_owned(),
    }
}

/// All rules that match, and what each comes behind for.
fn reasons(matching: &[view::RuleMatch]) -> Cells {
    let columns = [
        ">NUMBER",
        "LABEL",
        "ACTION",
        ">PREFIX BITS",
        ">PRIORITY",
        "WHY",
    ];
    let row = |known: &view::RuleMatch| {
        vec![
            known.rule.number.to_string(),
            known.rule.label.clone(),
            known.rule.action.clone(),
            known.prefix_bits.to_string(),
            known.rule.priority.to_string(),
            known.reason.to_owned(),
        ]
    };
    Cells::new(&columns, matching.iter().map(row).collect())
}

/// An address, with a port or without.
fn end(text: &str) -> anyhow::Result<(IpAddr, Option<u16>)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((address, None));
    }
    let end: SocketAddr = text.parse().map_err(|_wrong| {
        anyhow!(
            "{text:?} is no address: write 10.0.0.1, 10.0.0.1:443, 2001:db8::1 or [2001:db8::1]:443"
        )
    })?;
    Ok((end.ip(), Some(end.port())))
}
