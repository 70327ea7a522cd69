//! What several rounds of three programs make: ours, the empty one and the plain one.

use std::time::Duration;

use crate::{median, minimum};

/// How long a packet took in each round.
#[derive(Default)]
pub(crate) struct Rounds {
    /// With the program that does nothing.
    pub(crate) empty: Vec<Duration>,
    /// With what the usual agents do.
    pub(crate) plain: Vec<Duration>,
    /// With Netweir's program.
    pub(crate) ours: Vec<Duration>,
}

impl Rounds {
    /// Medians and minima; the differences and their ratio are of minima, which the neighbours on
    /// the machine disturb least.
    pub(crate) const COLUMNS: &[&str] = &[
        "ours",
        "empty",
        "plain",
        "ours_min",
        "empty_min",
        "plain_min",
        "over_empty",
        "plain_over",
        "ratio",
    ];

    /// The figures for [`Self::COLUMNS`], in nanoseconds.
    pub(crate) fn figures(&self) -> Vec<f64> {
        let all = [&self.ours, &self.empty, &self.plain].map(|rounds| {
            let nanoseconds = rounds.iter().map(|round| round.as_nanos() as f64);
            nanoseconds.collect::<Vec<f64>>()
        });
        let [ours, empty, plain] = [0, 1, 2].map(|program: usize| minimum(&all[program]));
        let (over, plain_over) = (ours - empty, plain - empty);
        let [ours_median, empty_median, plain_median] = all.map(median);
        vec![
            ours_median,
            empty_median,
            plain_median,
            ours,
            empty,
            plain,
            over,
            plain_over,
            over / plain_over,
        ]
    }
}
