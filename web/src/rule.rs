//! The rules of the host: what the API asks of whoever keeps them, and how it reads them from JSON.
//!
//! Nothing here keeps rules or puts them in force; [`RuleBook`] is what does.

use crate::Problem;
use axum::http::StatusCode;
use netweir_flow::rule::{Field, Numbered, Rule, RuleSet};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc};
use thiserror::Error;

/// What of a rule that was told is not read back: it is not the client's to say.
const GIVEN: [&str; 3] = ["number", "label_id", "hits"];

/// Who keeps the rules of the host. It may block, and is called where that is allowed.
pub trait RuleBook: fmt::Debug + Send + Sync {
    /// The rules as they are now.
    ///
    /// # Errors
    /// They cannot be read.
    fn known(&self) -> Result<Arc<KnownRules>, RuleRefusal>;

    /// Changes them, and waits a moment until the change is in force.
    ///
    /// # Errors
    /// The change is none that can be made; then nothing has changed.
    fn change(&self, order: RuleOrder) -> Result<Changed, RuleRefusal>;
}

/// Rules, and the numbers of their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRules {
    /// The rules.
    pub set: RuleSet,
    /// The number of every label that a rule gives or gave.
    pub labels: BTreeMap<String, u16>,
}

impl KnownRules {
    /// The number of a label; 0 for one that no rule gave.
    pub fn label_id(&self, label: &str) -> u16 {
        self.labels.get(label).copied().unwrap_or(0)
    }
}

/// How rules are to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOrder {
    /// One more.
    Add(Box<Rule>),
    /// These instead of all.
    Replace(Vec<Rule>),
    /// Without the one of this number.
    Remove(u16),
}

/// What a change has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The rules that were added, removed, or put in the place of all.
    pub rules: Vec<Numbered>,
    /// All rules and labels after it; of those that were removed the labels are there too.
    pub known: Arc<KnownRules>,
    /// Whether the kernel programs decide by it.
    pub in_force: bool,
}

/// Why rules are not told or not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleRefusal {
    /// There is no rule of this number.
    #[error("there is no rule {0}")]
    Unknown(u16),
    /// The kernel programs cannot take these rules.
    #[error("{0}")]
    Untakeable(String),
    /// The file in which they last cannot be read or written.
    #[error("{0}")]
    File(String),
}

impl From<RuleRefusal> for Problem {
    fn from(refusal: RuleRefusal) -> Self {
        let status = match refusal {
            RuleRefusal::Unknown(_) => StatusCode::NOT_FOUND,
            RuleRefusal::Untakeable(_) => StatusCode::CONFLICT,
            RuleRefusal::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, refusal.to_string())
    }
}

/// Reads one rule, as a JSON object with the names of its fields.
///
/// # Errors
/// What is wrong, with the field or the place.
pub fn read_rule(body: &[u8]) -> Result<Rule, Problem> {
    let members: Members = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    rule(members)
}

/// Reads `{"rules": […]}`.
///
/// # Errors
/// As of [`read_rule`], with the place of the rule in the list, from 0.
pub fn read_rules(body: &[u8]) -> Result<Vec<Rule>, Problem> {
    let list: List = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let read = |(place, members)| {
        rule(members).map_err(|problem: Problem| Problem {
            detail: format!("rules[{place}]: {}", problem.detail),
            ..problem
        })
    };
    list.rules.into_iter().enumerate().map(read).collect()
}

/// Several rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    rules: Vec<Members>,
}

/// What an object says, none of it twice.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule as an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            // A rule says few things; whoever says more than there are is told of the first one unknown.
            if members.len() > Field::ALL.len() + GIVEN.len() {
                return Err(A::Error::custom("a rule says no more than its fields"));
            }
            if members.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format_args!("`{name}` is said twice")));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let detail = format!("the body cannot be read: {error}");
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

fn rule(Members(members): Members) -> Result<Rule, Problem> {
    let mut rule = Rule::default();
    for (name, value) in members {
        if GIVEN.contains(&name.as_str()) {
            continue;
        }
        let wrong = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
        let field: Field = name
            .parse()
            .map_err(|error: netweir_flow::rule::RuleError| wrong(error.to_string()))?;
        let text = match value {
            // As it is told where a rule does not state it.
            Value::Null => continue,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(is_so) => is_so.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let detail = format!("`{name}` takes a string, a number, `true` or `false`");
                return Err(Problem::parameter(field.name(), detail));
            }
        };
        rule.set(field, &text)
            .map_err(|error| Problem::parameter(field.name(), error.to_string()))?;
    }
    rule.check()
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(rule)
}
