//! The settings of QUIC, and how keys in them are kept from being shown.

use std::{borrow::Cow, sync::Arc, time::Duration};

use anyhow::{anyhow, bail};
use netweir_flow::quic::{
    self, connection,
    layout::{Layout, LayoutProgram, Layouts},
};

use super::{
    Layers,
    read::{duration, items, list, port, within},
};

/// The setting whose text may have keys in it.
const LAYOUTS: &str = "quic.layouts";
/// What stands in the place of a key.
const MASK: &str = "…";
/// Letters and digits in a row, from so many on, are taken for a key that was mistyped.
const LONG_RUN: usize = 16;

/// On which UDP ports QUIC is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuicPorts {
    /// On all of them.
    Any,
    /// On these.
    These(Vec<u16>),
}

/// Where QUIC is looked for, and what is kept of it.
#[derive(Clone, Debug)]
pub struct QuicConfig {
    /// On which ports.
    pub ports: QuicPorts,
    /// What connection IDs name.
    pub layouts: Arc<Layouts>,
    /// Idle time-out of connections.
    pub idle_timeout: Duration,
    /// The same where no server has answered.
    pub unanswered_timeout: Duration,
    /// Connections in memory at most.
    pub max_connections: usize,
    /// Guesses in memory at most.
    pub max_guesses: usize,
    /// Bytes of incomplete ClientHellos in memory at most.
    pub max_hello_memory: usize,
    /// Datagrams that wait to be printed at most. No setting: a command that prints them says so.
    pub max_traced: usize,
}

impl QuicPorts {
    /// Every one of them.
    pub fn iter(&self) -> Box<dyn Iterator<Item = u16> + '_> {
        match self {
            // No packet has port 0: it stands where none could be read.
            Self::Any => Box::new(1..=u16::MAX),
            Self::These(ports) => Box::new(ports.iter().copied()),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::These(ports) if ports.is_empty())
    }
}

impl QuicConfig {
    /// What the kernel programs read connection IDs by; none where there are no layouts.
    pub fn kernel_layouts(&self) -> Option<Box<LayoutProgram>> {
        let program = self.layouts.program();
        (!self.layouts.is_empty()).then(|| Box::new(*program))
    }

    /// What a meter is told.
    pub fn meter_settings(&self) -> quic::Settings {
        let defaults = connection::Settings::default();
        let limits = connection::Limits {
            connections: self.max_connections,
            guesses: self.max_guesses,
            crypto_bytes: self.max_hello_memory,
            ..defaults.limits
        };
        quic::Settings {
            any_port: self.ports == QuicPorts::Any,
            connections: connection::Settings {
                idle_ns: self.idle_timeout.as_nanos() as u64,
                unanswered_ns: self.unanswered_timeout.as_nanos() as u64,
                ports: match &self.ports {
                    // Which end is the server is told by the usual ports then.
                    QuicPorts::Any => defaults.ports,
                    QuicPorts::These(ports) => ports.clone(),
                },
                limits,
                ..defaults
            },
            layouts: Arc::clone(&self.layouts),
            max_traced: self.max_traced,
            ..quic::Settings::default()
        }
    }
}

impl Layers {
    /// The settings of QUIC, typed.
    pub(super) fn quic(&self) -> anyhow::Result<QuicConfig> {
        let limit = |text: &str| within(text, 1, 100_000_000);
        Ok(QuicConfig {
            ports: self.typed("ports.quic", ports)?,
            layouts: self.typed(LAYOUTS, layouts)?,
            idle_timeout: self.typed("quic.idle_timeout", duration)?,
            unanswered_timeout: self.typed("quic.unanswered_timeout", duration)?,
            max_connections: self.typed("quic.max_connections", limit)? as usize,
            max_guesses: self.typed("quic.max_guesses", limit)? as usize,
            max_hello_memory: self
                .typed("quic.max_hello_memory", |text| within(text, 0, u32::MAX))?
                as usize,
            max_traced: 0,
        })
    }
}

fn ports(text: &str) -> anyhow::Result<QuicPorts> {
    if items(text).any(|item| item == "any") {
        if items(text).count() > 1 {
            bail!("any stands alone");
        }
        return Ok(QuicPorts::Any);
    }
    list(text, port).map(QuicPorts::These)
}

/// Every line with its number, so that an error says which one is wrong; no error repeats a key.
fn layouts(text: &str) -> anyhow::Result<Arc<Layouts>> {
    let mut layouts = Vec::new();
    for (number, line) in (1..).zip(items(text)) {
        let parsed = Layout::parse(line)
            .map_err(|error| anyhow!("layout {number}: {}", without_keys(&error.to_string())))?;
        layouts.extend(parsed);
    }
    Ok(Arc::new(Layouts::new(&layouts)?))
}

/// The text of a setting as it may be shown.
pub(super) fn masked<'a>(key: &str, text: &'a str) -> Cow<'a, str> {
    if key == LAYOUTS {
        Cow::Owned(without_keys(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// A text with [`MASK`] in the place of keys: of what stands behind the word `key`, and of whatever
/// else is long enough to be one, wherever somebody may have written it by mistake.
fn without_keys(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = prefix(rest, char::is_alphanumeric);
        shown.push_str(if is_like_key(word) { MASK } else { word });
        rest = &rest[word.len()..];
        let between = prefix(rest, |letter| !letter.is_alphanumeric());
        let is_assigned = between.starts_with(['=', ':']);
        shown.push_str(between);
        rest = &rest[between.len()..];
        if word.eq_ignore_ascii_case("key") && is_assigned && !between.contains(char::is_whitespace)
        {
            let value = prefix(rest, |letter| !letter.is_whitespace() && letter != ',');
            // An error quotes what was typed: the end of the quotation is no part of the key.
            let value = value.strip_suffix('`').unwrap_or(value);
            shown.push_str(if value.is_empty() { "" } else { MASK });
            rest = &rest[value.len()..];
        }
    }
    shown
}

fn is_like_key(word: &str) -> bool {
    word.len() >= LONG_RUN && word.contains(|letter: char| letter.is_ascii_digit())
}

/// What a text begins with.
fn prefix(text: &str, is_part: impl Fn(char) -> bool) -> &str {
    let end = text.find(|letter| !is_part(letter));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::without_keys;

    #[test]
    fn keys_are_not_shown_wherever_they_stand() {
        const KEY: &str = "8f95f09245765f80256934e50c66207f";
        for (text, expected) in [
            (
                format!("quic-lb config=1 key={KEY} port=1"),
                "quic-lb config=1 key=… port=1",
            ),
            (format!("key={KEY}"), "key=…"),
            (format!("KEY={KEY},mvfst port=1"), "KEY=…,mvfst port=1"),
            (format!("key:{KEY}"), "key:…"),
            (format!("`key:{KEY}` is no"), "`key:…` is no"),
            (format!("key={}`{} x", &KEY[..8], &KEY[8..]), "key=… x"),
            ("key=8f95!0924 x=1".to_owned(), "key=… x=1"),
            (format!("no preset `{KEY}`"), "no preset `…`"),
            (format!("k={KEY}"), "k=…"),
            ("key= x=1".to_owned(), "key= x=1"),
            (
                "quic-lb needs `key`: y".to_owned(),
                "quic-lb needs `key`: y",
            ),
            ("monkey=3 é=0x6b3343cf".to_owned(), "monkey=3 é=0x6b3343cf"),
        ] {
            assert_eq!(without_keys(&text), expected);
        }
    }
}
