//! A packet that rules are asked about.

use crate::Problem;
use axum::http::StatusCode;
use netweir_flow::rule::{Field, Question, QuestionError, RuleError};
use serde::Deserialize;
use std::net::IpAddr;
use utoipa::IntoParams;

/// A packet that is asked about.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfTest {
    /// The address that it comes from.
    #[param(example = "203.0.113.7")]
    source: String,
    /// The address that it goes to.
    #[param(example = "10.1.2.3")]
    destination: String,
    /// Its source port; said together with the other one or not at all.
    #[param(value_type = Option<u16>)]
    source_port: Option<String>,
    /// Its destination port.
    #[param(value_type = Option<u16>)]
    destination_port: Option<String>,
    /// Its IP protocol, by name or number; `tcp` unless told otherwise.
    protocol: Option<String>,
    /// The name of its interface; without it, no rule that names one matches.
    interface: Option<String>,
    /// `in` or `out`; `in` unless told otherwise.
    direction: Option<String>,
    /// Its VLAN identifier; none unless told otherwise.
    #[param(value_type = Option<u16>)]
    vlan: Option<String>,
    /// What its QUIC connection ID names; without it, no rule that names one matches.
    #[param(value_type = Option<u32>)]
    backend: Option<String>,
}

impl OfTest {
    /// What is asked.
    pub(super) fn question(&self) -> Result<Question, Problem> {
        let ends = [
            end(
                "source",
                &self.source,
                ("source_port", self.source_port.as_deref()),
            )?,
            end(
                "destination",
                &self.destination,
                ("destination_port", self.destination_port.as_deref()),
            )?,
        ];
        let asked = [
            (Field::Protocol, &self.protocol),
            (Field::Interface, &self.interface),
            (Field::Direction, &self.direction),
            (Field::Vlan, &self.vlan),
            (Field::Backend, &self.backend),
        ];
        let said = asked
            .iter()
            .filter_map(|(field, text)| Some((*field, text.as_deref()?)));
        let said: Vec<_> = said.filter(|(_, text)| !text.is_empty()).collect();
        Question::new(ends, &said).map_err(|error| {
            let parameter = match &error {
                QuestionError::Rule(RuleError::Value { field, .. }) => Some(*field),
                QuestionError::NoPorts(_) => Some("protocol"),
                _ => None,
            };
            Problem {
                parameter,
                ..Problem::new(StatusCode::BAD_REQUEST, error.to_string())
            }
        })
    }
}

/// An address, and a port if there is one.
fn end(
    name: &'static str,
    address: &str,
    (port_name, port): (&'static str, Option<&str>),
) -> Result<(IpAddr, Option<u16>), Problem> {
    let address = address.parse().map_err(|_| {
        Problem::parameter(name, format!("`{name}`: {address:?} is not an IP address"))
    })?;
    let port = port.filter(|text| !text.is_empty()).map(|text| {
        text.parse().map_err(|_| {
            let detail = format!("`{port_name}`: {text:?} is not a port from 0 to 65535");
            Problem::parameter(port_name, detail)
        })
    });
    Ok((address, port.transpose()?))
}
