//! The configuration file: TOML, flattened to settings with the line that each stands in.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use anyhow::{Context, anyhow, bail};
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::setting::SETTINGS;

/// One setting of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// The longest configuration file that is read.
const LONGEST_BYTES: u64 = 1 << 20;

/// Reads a configuration file, unless it has no end.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    read_some(File::open(path)?, LONGEST_BYTES)
}

/// Reads a text that may be so long.
pub(crate) fn read_some(source: impl Read, longest_bytes: u64) -> io::Result<String> {
    let mut text = String::new();
    let source = source.take(longest_bytes + 1);
    BufReader::new(source).read_to_string(&mut text)?;
    if text.len() as u64 > longest_bytes {
        let error = format!("it is larger than {} MiB", longest_bytes >> 20);
        return Err(io::Error::other(error));
    }
    Ok(text)
}

/// Reads the text of a configuration file called `path`.
pub(super) fn parse(path: &str, text: &str) -> anyhow::Result<Vec<Entry>> {
    let table = table(path, text)?;
    let mut entries = Vec::new();
    flatten(path, text, "", table.get_ref(), &mut entries)?;
    Ok(entries)
}

/// The text of a TOML file called `path`, with where each part stands.
pub(crate) fn table<'a>(path: &str, text: &'a str) -> anyhow::Result<Spanned<DeTable<'a>>> {
    DeTable::parse(text).map_err(|error| {
        let line = line_at(text, error.span().map_or(0, |span| span.start));
        anyhow!("{path}:{line}: not valid TOML: {}", error.message())
    })
}

fn flatten(
    path: &str,
    text: &str,
    prefix: &str,
    table: &DeTable<'_>,
    entries: &mut Vec<Entry>,
) -> anyhow::Result<()> {
    for (name, value) in table {
        let line = line_of(text, name);
        let key = format!("{prefix}{}", name.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            if !SETTINGS
                .iter()
                .any(|setting| setting.key.starts_with(&format!("{key}.")))
            {
                bail!(
                    "{path}:{line}: there is no table [{key}]; `netweir config` lists all settings"
                );
            }
            flatten(path, text, &format!("{key}."), inner, entries)?;
            continue;
        }
        if !SETTINGS.iter().any(|setting| setting.key == key) {
            bail!("{path}:{line}: there is no setting {key}; `netweir config` lists them");
        }
        let value = value.get_ref();
        let text = flat_value(value).filter(|_| !matches!(value, DeValue::Boolean(_)));
        // No setting is true or false.
        let value = text.with_context(|| {
            format!("{path}:{line}: {key} takes a string, a number or a list of them")
        })?;
        entries.push(Entry { key, value, line });
    }
    Ok(())
}

/// The line of a name, counted from 1.
pub(crate) fn line_of(text: &str, name: &Spanned<DeString<'_>>) -> usize {
    line_at(text, name.span().start)
}

/// The line of a place in a text, counted from 1.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.bytes().filter(|&byte| byte == b'\n').count() + 1
}

/// A value as it would be typed on the command line.
pub(crate) fn flat_value(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(is_so) => Some(is_so.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items
                .iter()
                .map(|item| flat_value(item.get_ref()))
                .collect();
            Some(items?.join(","))
        }
        _ => None,
    }
}
