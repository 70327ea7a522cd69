//! Rules as TOML: a table `[[rule]]` for each, with the names of its fields.

use std::{collections::HashSet, fmt::Write as _};

use anyhow::{Context, anyhow, bail};
use netweir_flow::rule::{Field, Numbered, Rule};
use netweir_wire::map::RULE_NUMBERS;
use toml::de::{DeTable, DeValue};

use super::Book;
use crate::config::file::{flat_value, line_at, line_of, table};

/// A rule of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The line in which it begins, counted from 1.
    pub(crate) line: usize,
    /// Its number, where the file says one.
    pub(crate) number: Option<u16>,
    /// The rule.
    pub(crate) rule: Rule,
}

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The rules.
    pub(crate) rules: Vec<Entry>,
    /// The numbers that labels have got.
    pub(crate) labels: Vec<(String, u16)>,
    label_numbers: HashSet<u16>,
    /// The number that the next rule gets.
    pub(crate) next_number: u16,
}

impl Contents {
    fn add_label(&mut self, label: &str, number: &DeValue<'_>) -> anyhow::Result<()> {
        // What a label may be is said once, for rules.
        Rule::default().set(Field::Label, label)?;
        let number = flat_value(number).and_then(|text| text.parse().ok());
        let Some(number @ 1..) = number else {
            bail!("a label has a number from 1 to 65535");
        };
        if !self.label_numbers.insert(number) {
            bail!("label {label} has the number {number}, which is that of another");
        }
        self.labels.push((label.to_owned(), number));
        Ok(())
    }
}

/// Reads the text of a file called `path`. An error names the line, and then nothing of the file holds.
pub(crate) fn parse(path: &str, text: &str) -> anyhow::Result<Contents> {
    let root = table(path, text)?;
    let mut contents = Contents::default();
    for (name, value) in root.get_ref() {
        let line = line_of(text, name);
        let wrong = |expected: &str| anyhow!("{path}:{line}: {} takes {expected}", name.get_ref());
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("rule", DeValue::Array(rules)) => {
                for rule in rules {
                    let at = line_at(text, rule.span().start);
                    let DeValue::Table(fields) = rule.get_ref() else {
                        bail!("{path}:{at}: a rule is a table: begin it with [[rule]]");
                    };
                    contents.rules.push(entry(path, (text, at), fields)?);
                }
            }
            ("rule", _) => bail!("{path}:{line}: begin each rule with [[rule]], in two brackets"),
            ("labels", DeValue::Table(labels)) => {
                for (label, number) in labels {
                    let place = format!("{path}:{}", line_of(text, label));
                    contents
                        .add_label(label.get_ref(), number.get_ref())
                        .with_context(|| place)?;
                }
            }
            ("next_number", number) => {
                let number = flat_value(number).and_then(|text| text.parse().ok());
                contents.next_number = number.ok_or_else(|| wrong("a number"))?;
            }
            (other, _) => {
                bail!("{path}:{line}: there is no {other} here: rules are tables [[rule]]")
            }
        }
    }
    Ok(contents)
}

/// Reads one rule, whose table begins in a line.
fn entry(path: &str, (text, at): (&str, usize), fields: &DeTable<'_>) -> anyhow::Result<Entry> {
    let mut entry = Entry {
        line: at,
        number: None,
        rule: Rule::default(),
    };
    for (name, value) in fields {
        let line = line_of(text, name);
        let key = name.get_ref().as_ref();
        let Some(value) = flat_value(value.get_ref()) else {
            bail!("{path}:{line}: {key} takes a string, a number, `true` or `false`");
        };
        if key == "number" {
            let number = value
                .parse()
                .ok()
                .filter(|number| (1..RULE_NUMBERS).contains(number));
            let number = number.ok_or_else(|| {
                anyhow!(
                    "{path}:{line}: number takes a number from 1 to {}",
                    RULE_NUMBERS - 1
                )
            })?;
            entry.number = Some(number);
            continue;
        }
        let set = key
            .parse::<Field>()
            .and_then(|field| entry.rule.set(field, &value));
        set.map_err(|error| anyhow!("{path}:{line}: {error}"))?;
    }
    entry
        .rule
        .check()
        .map_err(|error| anyhow!("{path}:{at}: {error}"))?;
    Ok(entry)
}

/// Rules for somebody else to load, without the numbers that they have here.
pub(crate) fn export<'a, R: IntoIterator<Item = &'a Rule>>(rules: R) -> String {
    let mut text =
        String::from("# Rules of netweir; `netweir rule load FILE` puts them in force.\n");
    for rule in rules {
        text.push_str("\n[[rule]]\n");
        add_fields(&mut text, rule);
    }
    text
}

/// Everything that lasts.
pub(super) fn write(book: &Book) -> String {
    let mut text = String::from(
        "# The rules of this host, kept by `netweir rule`. To change many at once, use\n\
         # `netweir rule export` and `netweir rule load`; numbers and labels here have to last.\n",
    );
    let _written = writeln!(text, "next_number = {}", book.next_number);
    for Numbered { number, rule } in book.rules() {
        let _written = write!(text, "\n[[rule]]\nnumber = {number}\n");
        add_fields(&mut text, rule);
    }
    text.push_str("\n[labels]\n");
    for (label, number) in &book.labels {
        let _written = writeln!(text, "{} = {number}", quoted(label));
    }
    text
}

fn add_fields(text: &mut String, rule: &Rule) {
    for (field, value) in rule.fields() {
        let value = match field {
            Field::Priority | Field::Vlan | Field::Backend | Field::BothWays => value,
            Field::SourcePort | Field::DestinationPort if value.parse::<u16>().is_ok() => value,
            _ => quoted(&value),
        };
        let _written = writeln!(text, "{} = {value}", field.name());
    }
}

/// A basic string of TOML: names of interfaces may have any characters.
fn quoted(value: &str) -> String {
    let mut text = String::from('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _written = write!(text, "\\u{:04X}", u32::from(letter));
            }
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}
