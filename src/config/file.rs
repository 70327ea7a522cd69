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
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?.take(LONGEST_BYTES + 1);
    BufReader::new(file).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST_BYTES {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// Reads the text of a configuration file called `path`.
pub(super) fn parse(path: &str, text: &str) -> anyhow::Result<Vec<Entry>> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = line_at(text, error.span().map_or(0, |span| span.start));
        anyhow!("{path}:{line}: not valid TOML: {}", error.message())
    })?;
    let mut entries = Vec::new();
    flatten(path, text, "", table.get_ref(), &mut entries)?;
    Ok(entries)
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
        let value = flat_value(value.get_ref()).with_context(|| {
            format!("{path}:{line}: {key} takes a string, a number or a list of them")
        })?;
        entries.push(Entry { key, value, line });
    }
    Ok(())
}

fn line_of(text: &str, name: &Spanned<DeString<'_>>) -> usize {
    line_at(text, name.span().start)
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.bytes().filter(|&byte| byte == b'\n').count() + 1
}

/// A value as it would be typed on the command line.
fn flat_value(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
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
