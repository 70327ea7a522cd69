//! What can be asked for in the query of a URL.
//!
//! A parameter that is unknown, given twice or not to be read is an error: an answer to another
//! question than the one that was asked would not be noticed.

use crate::Problem;
use axum::{
    extract::{FromRequestParts, Query},
    http::{StatusCode, request::Parts},
};
use netweir_flow::{Filter, SortKey};
use serde::{Deserialize, de::DeserializeOwned};
use std::error::Error;
use utoipa::{
    IntoParams,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// Most that a list may have.
pub(super) const MAX_LIMIT: usize = 10_000;
/// What a list has when nothing else is asked for.
const DEFAULT_LIMIT: usize = 100;

/// The query of a URL, read as a `T`.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(parameters) = Query::try_from_uri(&parts.uri).map_err(|error| {
            let detail = format!("the query of the URL cannot be read: {}", root(&error));
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })?;
        Ok(Self(parameters))
    }
}

/// Which interface.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfInterface {
    /// Those alone that are of an interface of this name; all if it is empty.
    pub(super) interface: Option<String>,
}

/// Which ones of a list, in what order, and how many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfList {
    /// Those alone that match this filter expression; all if it is empty.
    #[param(example = "src net 10.0.0.0/8 and (port 80-90 or udp)")]
    filter: Option<String>,
    /// Those alone that are on an interface of this name; all if it is empty.
    interface: Option<String>,
    /// Those alone that have this label; those without one if it is empty.
    #[param(example = "payments")]
    label: Option<String>,
    /// What they are ordered by; `bytes` unless told otherwise.
    #[param(value_type = Option<Sort>, inline)]
    sort: Option<String>,
    /// Whether the least or the greatest come first; `desc` unless told otherwise.
    #[param(value_type = Option<Order>, inline)]
    order: Option<String>,
    /// No more than so many, 100 unless told otherwise. At most 10000, and 1000 in a stream; 0
    /// stands for that most.
    #[param(value_type = Option<u16>, maximum = 10_000)]
    limit: Option<String>,
}

/// Which hosts, in what order, and how many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfHosts {
    /// Those alone that match this filter expression; all if it is empty. `src` and `dst` are
    /// alike, and what an address alone cannot tell, such as a port, does not match.
    #[param(example = "net 10.0.0.0/8")]
    filter: Option<String>,
    /// What they are ordered by; `bytes` unless told otherwise.
    #[param(value_type = Option<Sort>, inline)]
    sort: Option<String>,
    /// Whether the least or the greatest come first; `desc` unless told otherwise.
    #[param(value_type = Option<Order>, inline)]
    order: Option<String>,
    /// No more than so many, 100 unless told otherwise; 0 stands for 10000.
    #[param(value_type = Option<u16>, maximum = 10_000)]
    limit: Option<String>,
}

/// In what order labels are, and how many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfLabels {
    /// What they are ordered by; `bytes` unless told otherwise. What only flows have is taken for
    /// `label`.
    #[param(value_type = Option<Sort>, inline)]
    sort: Option<String>,
    /// Whether the least or the greatest come first; `desc` unless told otherwise.
    #[param(value_type = Option<Order>, inline)]
    order: Option<String>,
    /// No more than so many, 100 unless told otherwise; 0 stands for 10000.
    #[param(value_type = Option<u16>, maximum = 10_000)]
    limit: Option<String>,
}

/// Which heads, and how many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfHeads {
    /// Those alone that came behind the one of this number; all if it is empty.
    #[param(value_type = Option<u64>)]
    after: Option<String>,
    /// Those alone that have this label; those without one if it is empty.
    #[param(example = "suspect")]
    label: Option<String>,
    /// No more than so many, 100 unless told otherwise; 0 stands for 10000.
    #[param(value_type = Option<u16>, maximum = 10_000)]
    limit: Option<String>,
}

/// The same, read.
pub(super) struct WantedHeads {
    pub(super) after: u64,
    pub(super) label: Option<String>,
    pub(super) limit: usize,
}

impl OfInterface {
    /// The name, if there is one.
    pub(super) fn name(self) -> Option<String> {
        given(self.interface)
    }
}

impl OfList {
    /// What to ask the meter for, if that is no more than `max_limit`.
    pub(super) fn query(self, max_limit: usize) -> Result<netweir_flow::Query, Problem> {
        let asked = given(self.filter).as_deref().map(filter).transpose()?;
        let label = self.label.as_deref().map(Filter::of_label);
        let both = asked.clone().zip(label.clone());
        Ok(netweir_flow::Query {
            filter: both.map(|(one, other)| one.and(other)).or(asked).or(label),
            interface: given(self.interface),
            sort: self.sort.as_deref().map_or(Ok(SortKey::Bytes), sort)?,
            descending: self.order.as_deref().map_or(Ok(true), descending)?,
            limit: Some(limit(self.limit.as_deref(), max_limit)?),
        })
    }
}

impl OfHosts {
    /// What to ask the meter for.
    pub(super) fn query(self) -> Result<netweir_flow::Query, Problem> {
        let list = OfList {
            filter: self.filter,
            interface: None,
            label: None,
            sort: self.sort,
            order: self.order,
            limit: self.limit,
        };
        list.query(MAX_LIMIT)
    }
}

impl OfLabels {
    /// What to ask the meter for.
    pub(super) fn query(self) -> Result<netweir_flow::Query, Problem> {
        let list = OfList {
            filter: None,
            interface: None,
            label: None,
            sort: self.sort,
            order: self.order,
            limit: self.limit,
        };
        list.query(MAX_LIMIT)
    }
}

impl OfHeads {
    /// What is wanted.
    pub(super) fn wanted(self) -> Result<WantedHeads, Problem> {
        let after = given(self.after).map(|word| {
            let wrong = || format!("after {word:?} is not the number of a head");
            let number = word.parse::<u64>();
            number.map_err(|_wrong| Problem::parameter("after", wrong()))
        });
        Ok(WantedHeads {
            after: after.transpose()?.unwrap_or(0),
            label: self.label,
            limit: limit(self.limit.as_deref(), MAX_LIMIT)?,
        })
    }
}

/// A parameter that is not empty.
fn given(parameter: Option<String>) -> Option<String> {
    parameter.filter(|text| !text.trim().is_empty())
}

fn filter(text: &str) -> Result<Filter, Problem> {
    Filter::parse(text).map_err(|error| Problem {
        position: Some(error.column()),
        ..Problem::parameter("filter", error.to_string())
            .hint("an example: src net 10.0.0.0/8 and (port 80-90 or udp)")
    })
}

fn sort(word: &str) -> Result<SortKey, Problem> {
    let key = word.parse::<SortKey>();
    key.map_err(|error| Problem::parameter("sort", error.to_string()))
}

fn descending(word: &str) -> Result<bool, Problem> {
    match word {
        "desc" => Ok(true),
        "asc" => Ok(false),
        _ => {
            let detail = format!("unknown order {word:?}: expected asc or desc");
            Err(Problem::parameter("order", detail))
        }
    }
}

fn limit(word: Option<&str>, max: usize) -> Result<usize, Problem> {
    let Some(word) = word else {
        return Ok(DEFAULT_LIMIT);
    };
    match word.parse() {
        Ok(0) => Ok(max),
        Ok(limit) if limit <= max => Ok(limit),
        _ => {
            let detail = format!("limit {word:?} is not a number from 0 to {max}");
            Err(Problem::parameter("limit", detail))
        }
    }
}

/// The error that is at the bottom of it.
fn root<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

/// The words for an order's key, in the description of the paths.
struct Sort;

impl utoipa::ToSchema for Sort {}

impl utoipa::PartialSchema for Sort {
    fn schema() -> RefOr<Schema> {
        one_of(SortKey::ALL.map(SortKey::name), SortKey::Bytes.name())
    }
}

/// The words for an order's direction, in the description of the paths.
struct Order;

impl utoipa::ToSchema for Order {}

impl utoipa::PartialSchema for Order {
    fn schema() -> RefOr<Schema> {
        one_of(["asc", "desc"], "desc")
    }
}

fn one_of<const N: usize>(words: [&'static str; N], default: &'static str) -> RefOr<Schema> {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    let schema = schema.enum_values(Some(words));
    schema.default(Some(default.into())).into()
}
