//! The source of each side's long headers.
//!
//! It does not change: peers discard packets with another one (RFC 9000 section 7.2), and a client keeps
//! its own after a Retry too (section 17.2.5.2). Anybody who has seen a connection's IDs can make such
//! packets, so nothing is learnt from them.

use super::{Certainty, CidOrigin, ConnectionId, Connections, entry::Entry, long::Owner};
use crate::quic::Sender;
use netweir_wire::packet::quic::{Body, LongView};

/// The source of both sides' long headers, and how sure it is: an Initial that was opened outweighs what
/// cannot be opened.
#[derive(Debug, Default)]
pub(super) struct Sources([Option<(ConnectionId, Certainty)>; 2]);

/// What the source of a packet means.
enum Source {
    /// It is the one that is known, or the first one.
    Same,
    /// It is another, and surer.
    InPlaceOf(ConnectionId),
    /// It is another, and no surer.
    Changed,
}

impl Connections {
    /// Whether a packet's IDs are those that its sender has to use.
    pub(super) fn keeps_ids(
        &mut self,
        owner: Owner,
        view: &LongView<'_>,
        certainty: Certainty,
    ) -> bool {
        let Owner { id, sender, .. } = owner;
        // The server may choose another ID after its Retry.
        let is_retry = matches!(view.body, Body::Retry { .. });
        let Some(entry) = self.get_mut(id).filter(|_| !is_retry) else {
            return true;
        };
        if !entry.keeps_destination(sender, view) {
            return false;
        }
        // Longer ones, of unknown versions, are not kept.
        let Some(scid) = ConnectionId::new(view.scid()) else {
            return true;
        };
        match entry.sources.note(sender, scid, certainty) {
            Source::Same => true,
            Source::Changed => false,
            Source::InPlaceOf(wrong) => {
                self.forget_source(id, sender, wrong);
                true
            }
        }
    }

    /// Takes back what a packet told that somebody else may have sent.
    fn forget_source(&mut self, id: u32, side: Sender, cid: ConnectionId) {
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        if entry.facts.cids_of_mut(side).forget(cid, CidOrigin::Source) {
            let key = entry.cid_key(side, cid);
            self.remove_cid(id, &key);
        }
    }
}

impl Entry {
    /// Whether a client's Handshake packet goes to an ID that the server is known to have, if its own is
    /// known: others are told in packets that few clients get before.
    fn keeps_destination(&self, sender: Sender, view: &LongView<'_>) -> bool {
        let is_handshake = matches!(view.body, Body::Handshake { .. });
        let Some(server) = self.sources.proven(Sender::Server) else {
            return true;
        };
        let known = self.facts.server_cids.get(view.dcid());
        sender == Sender::Server
            || !is_handshake
            || view.dcid() == server.as_bytes()
            || known.is_some_and(super::KnownCid::is_of_owner)
    }
}

impl Sources {
    fn note(&mut self, sender: Sender, scid: ConnectionId, certainty: Certainty) -> Source {
        let known = &mut self.0[sender as usize];
        match *known {
            Some((before, how_sure)) if before == scid => {
                *known = Some((scid, how_sure.max(certainty)));
                Source::Same
            }
            Some((_, how_sure)) if how_sure >= certainty => Source::Changed,
            before => {
                *known = Some((scid, certainty));
                before.map_or(Source::Same, |(before, _)| Source::InPlaceOf(before))
            }
        }
    }

    /// The one that an Initial has, which was opened.
    fn proven(&self, sender: Sender) -> Option<ConnectionId> {
        let proven = |(_, certainty): &(_, _)| *certainty == Certainty::Proven;
        self.0[sender as usize].filter(proven).map(|(scid, _)| scid)
    }
}
