//! The rules: reading them is open, changing them takes the token.

use super::{body::Whole, packet::OfTest, parameters::Parameters};
use crate::{
    Problem, State,
    json::Json,
    rule::{Changed, KnownRules, RuleOrder, read_rule, read_rules},
    state::Access,
    token::Writer,
    view::{self, ListedRule, RuleHits},
};
use axum::{
    extract::{self, Path, rejection::PathRejection},
    http::StatusCode,
};
use netweir_flow::rule::Numbered;
use std::collections::HashMap;
use utoipa::ToSchema;

/// The rules, those that are asked first in front.
#[utoipa::path(get, path = "/api/rules", tag = "rules", responses(
    (status = 200, description = "In the order of their precedence", body = view::Rules),
    (status = 500, description = "The file of the rules cannot be read", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn rules(extract::State(state): extract::State<State>) -> Result<Json, Problem> {
    let tell = |known: &KnownRules, access: &Access| {
        let (totals, sampling) = access.with(|meter| (meter.rule_totals(), meter.sampling()));
        let in_force = totals.iter().filter(|totals| totals.in_force);
        let hits: HashMap<_, _> = in_force
            .map(|totals| (totals.number, RuleHits::new(totals, sampling)))
            .collect();
        let listed = tell(known, known.set.rules()).into_iter().map(|rule| {
            let hits = hits.get(&rule.number).cloned();
            ListedRule { rule, hits }
        });
        Ok(view::Rules {
            rules: listed.collect(),
        })
    };
    state.read_rules(tell).await
}

/// Adds a rule.
#[utoipa::path(post, path = "/api/rules", tag = "rules", request_body = RuleText,
    security(("token" = [])), responses(
    (status = 201, description = "It is in force", body = view::RuleChange),
    (status = 202, description = "It is written, and not in force yet", body = view::RuleChange),
    (status = 400, description = "The body cannot be read", body = Problem,
        content_type = "application/problem+json"),
    (status = 401, description = "The token is missing or wrong", body = Problem,
        content_type = "application/problem+json"),
    (status = 409, description = "The kernel programs cannot take one more, or not this one",
        body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn add(
    _writer: Writer,
    extract::State(state): extract::State<State>,
    Whole(body): Whole,
) -> Result<(StatusCode, Json), Problem> {
    let rule = read_rule(&body)?;
    change(&state, RuleOrder::Add(Box::new(rule)), StatusCode::CREATED).await
}

/// Puts rules in the place of all, or none of them if one is wrong.
///
/// A rule that was there keeps its number. `number`, `label_id` and `hits` are not read, so that what was told
/// can be sent back.
#[utoipa::path(put, path = "/api/rules", tag = "rules", request_body = RulesText,
    security(("token" = [])), responses(
    (status = 200, description = "They are in force", body = view::RuleChange),
    (status = 202, description = "They are written, and not in force yet", body = view::RuleChange),
    (status = 400, description = "The body cannot be read", body = Problem,
        content_type = "application/problem+json"),
    (status = 401, description = "The token is missing or wrong", body = Problem,
        content_type = "application/problem+json"),
    (status = 409, description = "The kernel programs cannot take them", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn replace(
    _writer: Writer,
    extract::State(state): extract::State<State>,
    Whole(body): Whole,
) -> Result<(StatusCode, Json), Problem> {
    let rules = read_rules(&body)?;
    change(&state, RuleOrder::Replace(rules), StatusCode::OK).await
}

/// Removes a rule.
#[utoipa::path(delete, path = "/api/rules/{number}", tag = "rules",
    params(("number" = u16, Path, description = "The number of the rule")),
    security(("token" = [])), responses(
    (status = 200, description = "It is not in force any more", body = view::RuleChange),
    (status = 202, description = "It is removed, and still in force", body = view::RuleChange),
    (status = 401, description = "The token is missing or wrong", body = Problem,
        content_type = "application/problem+json"),
    (status = 404, description = "No such rule", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn remove(
    _writer: Writer,
    extract::State(state): extract::State<State>,
    number: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json), Problem> {
    let wrong = |detail: String| Problem::parameter("number", detail);
    let Path(number) = number.map_err(|error| wrong(error.to_string()))?;
    let number = number
        .parse()
        .map_err(|_| wrong(format!("{number:?} is not the number of a rule")))?;
    change(&state, RuleOrder::Remove(number), StatusCode::OK).await
}

/// Which rule decides about a packet, and why.
#[utoipa::path(get, path = "/api/rules/test", tag = "rules", params(OfTest), responses(
    (status = 200, description = "What is done with it, and all rules that match",
        body = view::RuleTest),
    (status = 400, description = "A parameter cannot be read", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn test(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfTest>,
) -> Result<Json, Problem> {
    let question = parameters.question()?;
    let answer = move |known: &KnownRules, _: &Access| {
        let label_id = |label: &str| known.label_id(label);
        Ok(view::RuleTest::new(&known.set, label_id, &question))
    };
    state.read_rules(answer).await
}

/// Changes the rules, and says whether that is in force.
async fn change(
    state: &State,
    order: RuleOrder,
    done: StatusCode,
) -> Result<(StatusCode, Json), Problem> {
    let Changed {
        rules,
        known,
        in_force,
    } = state.change_rules(order).await?;
    let status = if in_force { done } else { StatusCode::ACCEPTED };
    let rules = tell(&known, &rules);
    Ok((status, Json::new(&view::RuleChange { rules, in_force })?))
}

fn tell(known: &KnownRules, rules: &[Numbered]) -> Vec<view::Rule> {
    let tell = |rule: &Numbered| view::Rule::new(rule, known.label_id(&rule.rule.label));
    rules.iter().map(tell).collect()
}

/// A rule as it is sent. What it does not state, or states as null, matches everything.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `crate::rule` reads")]
struct RuleText {
    /// 1 to 64 letters of ASCII, digits and `. _ : / -`.
    #[schema(example = "payments")]
    label: String,
    /// `count` (unless said), `drop`, or `sample N`.
    #[schema(example = "count")]
    action: Option<String>,
    /// A whole number; 0 unless said.
    priority: Option<i32>,
    /// An address or a network.
    #[schema(example = "10.1.0.0/16")]
    source: Option<String>,
    /// An address or a network.
    destination: Option<String>,
    /// A name such as `tcp`, or a number.
    protocol: Option<String>,
    /// A port or a range, such as `443` or `80-90`; a number will do.
    source_port: Option<String>,
    /// The same of the other end.
    destination_port: Option<String>,
    /// Whether it holds for the opposite direction too.
    both_ways: Option<bool>,
    /// The name of an interface.
    interface: Option<String>,
    /// `in` or `out`.
    direction: Option<String>,
    /// A VLAN identifier; 0 for no tag.
    vlan: Option<u16>,
    /// What the QUIC connection ID names.
    backend: Option<u32>,
}

/// Rules as they are sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `crate::rule` reads")]
struct RulesText {
    /// All of them.
    rules: Vec<RuleText>,
}
