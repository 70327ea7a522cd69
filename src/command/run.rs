//! `netweir run`: the agent, and the API and dashboard over what it counts.

use std::sync::Arc;

use anyhow::Context;
use netweir_web::Token;

use super::flows::print_books;
use crate::{
    config::Config,
    metering::{Metering, namespaces},
    serving::Serving,
    stop::Stop,
    token,
};

pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    // The address first: nothing is attached for a dashboard that cannot be shown.
    let serving = Serving::listen(config)?;
    let (token, made) = write_token(config)?;
    let stop = Arc::new(Stop::on_signals()?);
    let metering = Metering::start(
        config,
        namespaces(config)?,
        Arc::clone(&stop),
        Box::new(|_| {}),
    )?;
    let meter = Arc::clone(&metering.meter);
    if let Some(made) = made {
        tracing::info!(
            "until this ends, changing rules over the API takes the token {made} (api.token_file names a \
             file with one that lasts)"
        );
    }
    let serving = serving.with_rules(metering.rules.clone(), Some(token));
    let served = serving.run(Arc::clone(&meter), metering.ticks.clone(), &stop);
    let metered = metering.finish();
    print_books(&meter);
    metered.and(served.context("cannot serve"))
}

/// What changing rules over the API takes; with its text, where it was made just now and nobody knows it.
fn write_token(config: &Config) -> anyhow::Result<(Token, Option<String>)> {
    if let Some(path) = &config.token_file {
        return Ok((token::read(path)?, None));
    }
    let made = token::random()?;
    Ok((Token::new(&made)?, Some(made)))
}
