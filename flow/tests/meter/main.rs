//! Ring 2: samples in, records out; the time is passed in, and hours pass in milliseconds.

mod accounting;
mod connections;
mod driver;
mod filter;
mod heads;
mod hosts;
mod inline;
mod interfaces;
mod kernel_filter;
mod label_sums;
mod labels;
mod lifetime;
mod listing;
mod model;
mod properties;
mod query;
mod records;
mod sampling;
mod work;
