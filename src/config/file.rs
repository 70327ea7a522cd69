//! The configuration file: TOML, flattened to settings with the line that each stands in.

use anyhow::{Context, bail};
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

/// Reads the text of a configuration file called `path`.
pub(super) fn parse(path: &str, text: &str) -> anyhow::Result<Vec<Entry>> {
    let table = DeTable::parse(text).with_context(|| format!("{path} is not valid TOML"))?;
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
    let before = text.get(..name.span().start).unwrap_or(text);
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
