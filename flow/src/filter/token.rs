//! From text to tokens.

use super::FilterError;

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    Not,
    And,
    Or,
    /// Anything else, a keyword too.
    Word(String),
    /// What stood in double quotes: never a keyword.
    Quoted(String),
    /// Behind the last piece.
    End,
}

/// A piece and where it begins, in characters from 1.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) column: usize,
}

impl Token {
    /// How it is named in an error.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::Not => "`!`".to_owned(),
            Self::And => "`&&`".to_owned(),
            Self::Or => "`||`".to_owned(),
            Self::Word(word) => format!("`{word}`"),
            Self::Quoted(text) => format!("{text:?}"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Whether a character can stand in a word that is not quoted.
pub(super) fn is_plain(character: char) -> bool {
    !character.is_whitespace() && !matches!(character, '(' | ')' | '!' | '&' | '|' | '"' | '\\')
}

/// Splits an expression; the last token is [`Token::End`].
pub(super) fn split(text: &str) -> Result<Vec<Placed>, FilterError> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        if character.is_whitespace() {
            at += 1;
            continue;
        }
        let (token, length) = read(&characters[at..]).map_err(|(ahead, expected)| {
            let found = characters.get(at + ahead);
            FilterError::Unexpected {
                column: at + ahead + 1,
                expected,
                found: found.map_or_else(|| Token::End.describe(), |found| format!("`{found}`")),
            }
        })?;
        tokens.push(Placed {
            token,
            column: at + 1,
        });
        at += length;
    }
    tokens.push(Placed {
        token: Token::End,
        column: at + 1,
    });
    Ok(tokens)
}

/// Where, counted from the token's beginning, something else was expected.
type Wrong = (usize, &'static str);

/// Reads one token from the beginning of `rest`; how many characters it has.
fn read(rest: &[char]) -> Result<(Token, usize), Wrong> {
    match rest {
        ['(', ..] => Ok((Token::Open, 1)),
        [')', ..] => Ok((Token::Close, 1)),
        ['!', ..] => Ok((Token::Not, 1)),
        ['&', '&', ..] => Ok((Token::And, 2)),
        ['|', '|', ..] => Ok((Token::Or, 2)),
        ['&', ..] => Err((1, "`&&`")),
        ['|', ..] => Err((1, "`||`")),
        ['"', ..] => read_quoted(rest),
        _ => {
            let word: String = rest.iter().copied().take_while(|&c| is_plain(c)).collect();
            match word.chars().count() {
                0 => Err((0, "a term")),
                length => Ok((Token::Word(word), length)),
            }
        }
    }
}

/// Reads to the closing quote; a backslash takes the character behind it as it is.
fn read_quoted(rest: &[char]) -> Result<(Token, usize), Wrong> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        match rest[at..] {
            ['"', ..] => return Ok((Token::Quoted(text), at + 1)),
            ['\\', character, ..] => {
                text.push(character);
                at += 2;
            }
            [character, ..] if character != '\\' => {
                text.push(character);
                at += 1;
            }
            _ => return Err((rest.len(), "a closing `\"`")),
        }
    }
}
