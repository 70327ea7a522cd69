//! The only code that speaks HTTP.
//!
//! [`serve()`] answers requests with what a [`netweir_flow::Meter`] knows: as JSON under `/api`
//! (`api`, made of the types of [`view`]), and as a page for people under `/` (`ui`). Whoever
//! feeds the meter tells by a [`Ticker`] when it has ticked; nothing here feeds or changes it, and
//! no request holds it for longer than it takes to copy what was asked for. Rules alone are changed from
//! here, through a [`RuleBook`], by who bears the [`Token`].

#![forbid(unsafe_code)]

mod api;
mod guard;
mod json;
mod problem;
mod router;
mod rule;
mod serve;
mod state;
mod tick;
mod token;
mod ui;
pub mod view;

pub use problem::Problem;
pub use router::{openapi, router};
pub use rule::{Changed, KnownRules, RuleBook, RuleOrder, RuleRefusal, read_rule, read_rules};
pub use serve::serve;
pub use state::{Settings, State, Streams};
pub use tick::{Ticker, Ticks, ticker};
pub use token::{Token, TokenError};
