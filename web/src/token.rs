//! The token without which nothing is changed.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use std::fmt;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::{Problem, State};

/// Characters of a token at least and at most.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// What is asked of a client that has not said its token (RFC 6750 section 3).
const CHALLENGE: &str = "Bearer realm=\"netweir\"";
/// The same for one whose token is another.
const WRONG: &str = "Bearer realm=\"netweir\", error=\"invalid_token\"";

/// A secret that a request has to bear to change something (RFC 6750).
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is too short to be safe, or too long to be meant.
    #[error("a token has from 16 to 256 characters")]
    Length,
    /// It could not stand in a header.
    #[error("a token has no other characters than visible ones of ASCII, and no spaces")]
    Characters,
}

impl Token {
    /// A token, without spaces and line ends at both ends.
    ///
    /// # Errors
    /// It is too short, too long, or has other characters than visible ones of ASCII.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Characters);
        }
        if !LENGTHS.contains(&text.len()) {
            return Err(TokenError::Length);
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether a text is the token. How long the answer takes tells nothing of where they differ.
    fn is(&self, text: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(text).into()
    }
}

/// Without the secret: states are logged.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A request that bears the token.
pub(crate) struct Writer;

impl FromRequestParts<State> for Writer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let Some(token) = state.token() else {
            let detail = "rules are only read here";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response());
        };
        match borne(&parts.headers) {
            Some(text) if token.is(text) => Ok(Self),
            Some(_) => Err(unauthorized(WRONG, "this is not the token")),
            None => Err(unauthorized(CHALLENGE, "changing rules takes a token")),
        }
    }
}

/// The token that a request bears, in its only `Authorization`.
fn borne(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let one = all.next().filter(|_| all.next().is_none())?;
    let (scheme, token) = one.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

fn unauthorized(challenge: &'static str, detail: &str) -> Response {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, detail).hint(
        "send `Authorization: Bearer TOKEN`; the token is in the file of the setting \
         api.token_file, or in the log of the start",
    );
    let mut response = problem.into_response();
    let challenge = HeaderValue::from_static(challenge);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests {
    use super::{Token, TokenError};

    #[test]
    fn a_token_is_long_and_visible() {
        let token = Token::new(" 0123456789abcdef\n").expect("is one");
        assert!(token.is(b"0123456789abcdef"));
        for other in [
            "0123456789abcdeg",
            "0123456789abcde",
            "",
            "0123456789abcdef0",
        ] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(Token::new("0123456789abcde"), Err(TokenError::Length));
        assert_eq!(Token::new(&"a".repeat(257)), Err(TokenError::Length));
        assert_eq!(Token::new(""), Err(TokenError::Length));
        assert_eq!(Token::new("01234567 89abcdef"), Err(TokenError::Characters));
        assert_eq!(
            Token::new("0123456789abcdé\u{7f}"),
            Err(TokenError::Characters)
        );
    }
}
