//! When to look at which connection.

use crate::expiry::Expiry;

/// No ticket is there, or none is needed.
const NEVER_NS: u64 = u64::MAX;

/// Numbers of connections by the time at which they are to be looked at.
///
/// A connection that made room for another leaves its ticket behind, and its number goes to the next
/// one. A ticket that comes no later than needed serves that one too; others mean nothing any more when
/// they come. So there are few more tickets than connections, however many came and went.
#[derive(Debug)]
pub(super) struct Due {
    expiry: Expiry,
    /// By number: the time of the ticket that counts.
    tickets: Vec<u64>,
}

impl Due {
    pub(super) fn new(shortest_timeout_ns: u64) -> Self {
        Self {
            expiry: Expiry::new(shortest_timeout_ns),
            tickets: Vec::new(),
        }
    }

    /// Has a connection looked at once `due_ns` is over, or sooner.
    pub(super) fn queue(&mut self, due_ns: u64, id: u32) {
        let number = id as usize;
        if self.tickets.len() <= number {
            self.tickets.resize(number + 1, NEVER_NS);
        }
        let ticket_ns = &mut self.tickets[number];
        // Never is no time at which anything is to be done.
        if *ticket_ns > due_ns {
            *ticket_ns = due_ns;
            self.expiry.queue(due_ns, id);
        }
    }

    /// Takes a ticket whose time has come, those of the earliest first: its connection, if the ticket
    /// still counts.
    pub(super) fn take(&mut self, now_ns: u64) -> Option<Option<u32>> {
        let id = self.expiry.take_due(now_ns)?;
        let ticket_ns = &mut self.tickets[id as usize];
        let counts = *ticket_ns <= now_ns && *ticket_ns != NEVER_NS;
        if counts {
            *ticket_ns = NEVER_NS;
        }
        Some(counts.then_some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::Due;

    const SECOND_NS: u64 = 1_000_000_000;

    fn taken(due: &mut Due, now_ns: u64) -> Vec<Option<u32>> {
        std::iter::from_fn(|| due.take(now_ns)).collect()
    }

    #[test]
    fn a_number_has_one_ticket_that_counts() {
        let mut due = Due::new(SECOND_NS);
        due.queue(5 * SECOND_NS, 7);
        // The next one with this number: later, as late, sooner, never.
        for due_ns in [6 * SECOND_NS, 5 * SECOND_NS, 3 * SECOND_NS, u64::MAX] {
            due.queue(due_ns, 7);
        }
        assert_eq!(taken(&mut due, 2 * SECOND_NS), []);
        assert_eq!(taken(&mut due, 4 * SECOND_NS), [Some(7)]);
        due.queue(9 * SECOND_NS, 7);
        // What was left behind.
        assert_eq!(taken(&mut due, 6 * SECOND_NS), [None]);
        assert_eq!(taken(&mut due, 10 * SECOND_NS), [Some(7)]);
        assert_eq!(taken(&mut due, u64::MAX), []);
    }
}
