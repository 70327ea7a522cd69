//! Text that others chose, such as names of interfaces and files, as it is shown on a terminal.

use std::borrow::Cow;

/// A text in which nothing is an order to a terminal: what would be one is escaped as in Rust.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_order) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match u8::try_from(letter).ok().filter(u8::is_ascii) {
            _ if !is_order(letter) => shown.push(letter),
            Some(byte) => shown.extend(std::ascii::escape_default(byte).map(char::from)),
            None => shown.extend(letter.escape_unicode()),
        }
    }
    Cow::Owned(shown)
}

/// The same where there may be several lines.
pub(crate) fn escaped_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(escaped).collect();
    lines.join("\n")
}

/// Whether a terminal may do something else with a character than show it: controls, and marks that
/// turn the direction of what follows them (Unicode Standard Annex 9 section 2).
fn is_order(letter: char) -> bool {
    let turns = ['\u{200e}', '\u{200f}', '\u{61c}'];
    letter.is_control()
        || turns.contains(&letter)
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{escaped, escaped_lines};

    #[test]
    fn orders_to_a_terminal_are_shown_and_not_given() {
        for (text, expected) in [
            ("eth0", "eth0"),
            ("é…", "é…"),
            (r"a\b", r"a\b"),
            ("q\u{1b}[31mX", r"q\x1b[31mX"),
            ("a\tb\r\nc\u{7f}", r"a\tb\r\nc\x7f"),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("a\u{202e}gpj", r"a\u{202e}gpj"),
        ] {
            assert_eq!(escaped(text), expected);
        }
        assert_eq!(escaped_lines("a\u{1b}:\n  b\r"), "a\\x1b:\n  b\\r");
    }
}
