//! `netweir run`: the agent, and the API and dashboard over what it counts.

use std::sync::Arc;

use anyhow::Context;

use super::flows::print_books;
use crate::{
    config::Config,
    metering::{Metering, namespaces},
    serving::Serving,
    stop::Stop,
};

pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    // The address first: nothing is attached for a dashboard that cannot be shown.
    let serving = Serving::listen(config)?;
    let stop = Arc::new(Stop::on_signals()?);
    let metering = Metering::start(
        config,
        namespaces(config)?,
        Arc::clone(&stop),
        Box::new(|_| {}),
    )?;
    let meter = Arc::clone(&metering.meter);
    let served = serving.run(Arc::clone(&meter), metering.ticks.clone(), &stop);
    let metered = metering.finish();
    print_books(&meter);
    metered.and(served.context("cannot serve"))
}
