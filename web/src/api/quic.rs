//! QUIC: connections, versions, backends, queues, and where everything went.

use super::{
    list::list,
    parameters::{MAX_LIMIT, OfList, Parameters},
};
use crate::{
    Problem, State,
    json::Json,
    state::Access,
    view::{Quic, QuicConnection},
};
use axum::extract;
use netweir_flow::{
    Listing, Meter, Query,
    quic::{self, connection},
};

/// QUIC: connections, versions, backends, queues, and where everything went.
///
/// The parameters choose and order the connections; nothing else is narrowed by them, but `limit` is
/// also that of each other list, which have the most bytes first. `source` is the client, `destination` the server, `protocol` the
/// version.
#[utoipa::path(get, path = "/api/quic", tag = "quic", params(OfList), responses(
    (status = 200, description = "Connections, their shares, and the accounting", body = Quic),
    (status = 400, description = "A parameter cannot be read", body = Problem,
        content_type = "application/problem+json"),
    (status = 404, description = "No such interface", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn quic(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfList>,
) -> Result<Json, Problem> {
    let query = parameters.query(MAX_LIMIT)?;
    let take = move |access: &Access| Taken::of(access, query);
    state.look(take, Taken::tell).await
}

/// What an answer is made of, as the meter has it.
struct Taken {
    connections: Vec<quic::Record>,
    totals: connection::Totals,
    /// None where QUIC is off.
    rest: Option<(quic::Accounting, Vec<quic::Counted>)>,
    limit: usize,
}

impl Taken {
    fn of(access: &Access, query: Query) -> Result<Self, Problem> {
        let limit = query.limit.unwrap_or(MAX_LIMIT);
        let connections = list(access, query, Listing::<quic::Record>::read)?;
        let mut sums = quic::Sums::default();
        while access.with(|meter| sums.read(meter)) {}
        let rest = |meter: &Meter| {
            let quic = meter.quic()?;
            Some((quic.accounting(), quic.backends().collect()))
        };
        Ok(Self {
            connections,
            totals: sums.finish(),
            rest: access.with(rest),
            limit,
        })
    }

    fn tell(self) -> Quic {
        let mut told = Quic::off();
        let Some((accounting, counted)) = &self.rest else {
            return told;
        };
        told.enabled = true;
        told.connections = self.connections.iter().map(QuicConnection::from).collect();
        told.add_totals(&self.totals, self.limit);
        told.add_counted(counted, self.limit);
        told.accounting = accounting.into();
        told
    }
}
