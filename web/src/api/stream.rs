//! Everything that a page shows, after each tick.
//!
//! A stream is driven by the ticks alone. It makes an event when its client takes one, so that a
//! slow client passes over ticks and holds up nobody.

use super::{
    metrics::totals,
    name,
    parameters::{OfList, Parameters},
};
use crate::{
    Problem, State, Ticks,
    json::Json,
    state::Access,
    view::{Interface, Label, Tick},
};
use axum::{
    extract,
    http::StatusCode,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::{self, Stream};
use netweir_flow::{
    Accounting, InterfaceState, LabelTotals, Listing, Meter, Query, Record, Totals,
};
use netweir_wire::map::Direction;
use std::{cmp::Reverse, convert::Infallible};
use tokio::sync::OwnedSemaphorePermit;

/// Flows at most in an event.
const MAX_FLOWS: usize = 1000;
/// Interfaces at most in an event.
const MAX_INTERFACES: usize = 100;
/// Labels at most in an event.
const MAX_LABELS: usize = 100;

/// Everything that a page shows, after each tick.
///
/// Server-sent events (HTML standard, section 9.2) named `tick`, whose data is a `Tick`. The
/// parameters choose the flows, and `interface` the figures too. A client that is slow misses
/// ticks. The stream ends when the program does.
#[utoipa::path(get, path = "/api/stream", tag = "stream", params(OfList), responses(
    (status = 200, description = "Events named `tick`", body = Tick,
        content_type = "text/event-stream"),
    (status = 400, description = "A parameter cannot be read", body = Problem,
        content_type = "application/problem+json"),
    (status = 404, description = "No such interface", body = Problem,
        content_type = "application/problem+json"),
    (status = 503, description = "Too many streams", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn stream(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfList>,
) -> Result<impl IntoResponse, Problem> {
    let query = parameters.query(MAX_FLOWS)?;
    let interface = query.interface.clone();
    let is_known = move |meter: &Meter| name::expect(meter, interface.as_deref());
    state.read(is_known, |()| ()).await?;
    let place = state.open_stream().ok_or_else(|| full(&state))?;
    let feed = Feed {
        ticks: state.ticks().after_now(),
        state,
        query,
        _place: place,
    };
    // A proxy that collects what it passes on would hold back the events.
    let headers = [("x-accel-buffering", "no")];
    Ok((
        headers,
        Sse::new(feed.events()).keep_alive(KeepAlive::new()),
    ))
}

/// What a stream is made of.
struct Feed {
    state: State,
    ticks: Ticks,
    query: Query,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut feed| {
            let json = feed.next().await?;
            Some((Ok(Event::default().event("tick").data(json.0)), feed))
        })
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Json> {
        let tick = tokio::select! {
            biased;
            () = self.state.closed() => None,
            tick = self.ticks.next() => tick,
        }?;
        let query = self.query.clone();
        let take = move |access: &Access| Taken::of(access, query);
        let json = self.state.look(take, move |taken| taken.tell(tick)).await;
        json.ok()
    }
}

/// What an event is made of, as the meter has it.
struct Taken {
    totals: Totals,
    accounting: Accounting,
    flows: Vec<Record>,
    labels: Vec<LabelTotals>,
    sampling: u32,
    interfaces: Vec<InterfaceState>,
}

impl Taken {
    fn of(access: &Access, query: Query) -> Result<Self, Problem> {
        let interface = query.interface.clone();
        let mut listing = Listing::<Record>::new(query);
        while access.with(|meter| listing.read(meter)) {}
        let flows = listing.finish();
        access.with(|meter| {
            Ok(Self {
                totals: totals(meter, interface.as_deref())?,
                accounting: meter.accounting(),
                flows,
                labels: labels(meter),
                sampling: meter.sampling(),
                interfaces: interfaces(meter),
            })
        })
    }

    fn tell(self, tick: u64) -> Tick {
        let label = |totals| Label::new(totals, self.sampling);
        Tick {
            tick,
            realtime: (&self.totals).into(),
            summary: (&self.totals).into(),
            accounting: (&self.accounting).into(),
            flows: self.flows.iter().map(Into::into).collect(),
            labels: self.labels.iter().map(label).collect(),
            interfaces: self.interfaces.iter().map(Interface::from).collect(),
        }
    }
}

/// The labels with the most bytes; none where there never was a rule.
fn labels(meter: &Meter) -> Vec<LabelTotals> {
    if !meter.has_rules() {
        return Vec::new();
    }
    meter.labels(&Query {
        limit: Some(MAX_LABELS),
        ..Query::default()
    })
}

/// The interfaces that exist, those with the most bytes if there are too many.
fn interfaces(meter: &Meter) -> Vec<InterfaceState> {
    let present = |state: &&InterfaceState| state.interface.present;
    let mut interfaces: Vec<_> = meter.interfaces().filter(present).collect();
    if interfaces.len() > MAX_INTERFACES {
        interfaces.sort_by_cached_key(|state| Reverse(bytes(state)));
        interfaces.truncate(MAX_INTERFACES);
        interfaces.sort_by_key(|state| state.interface.id);
    }
    interfaces.into_iter().cloned().collect()
}

fn bytes(state: &InterfaceState) -> u128 {
    let seen = |direction| state.direction(direction).counters().seen.bytes;
    u128::from(seen(Direction::Ingress)) + u128::from(seen(Direction::Egress))
}

fn full(state: &State) -> Problem {
    let max = state.streams().max;
    let detail = format!("all {max} streams are taken");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .hint("try again later, or ask the other paths from time to time")
}
