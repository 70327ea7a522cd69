//! The paths under `/api`, and `/health`, one file each.
//!
//! Each reads its parameters, takes from the meter what they ask for, and answers with a type of
//! [`crate::view`].

mod accounting;
mod body;
mod connections;
mod flows;
mod heads;
mod health;
mod hosts;
mod interfaces;
mod labels;
mod list;
mod metrics;
mod name;
mod packet;
mod parameters;
mod quic;
mod rules;
mod stream;

use crate::State;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Every path, with its description.
pub(crate) fn router() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(metrics::realtime))
        .routes(routes!(metrics::summary))
        .routes(routes!(flows::flows))
        .routes(routes!(connections::connections))
        .routes(routes!(hosts::hosts))
        .routes(routes!(interfaces::interfaces))
        .routes(routes!(labels::labels))
        .routes(routes!(heads::heads))
        .routes(routes!(accounting::accounting))
        .routes(routes!(quic::quic))
        .routes(routes!(rules::rules, rules::add, rules::replace))
        .routes(routes!(rules::remove))
        .routes(routes!(rules::test))
        .routes(routes!(stream::stream))
}
