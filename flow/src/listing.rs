//! A view, read in slices.
//!
//! Whoever feeds a meter waits while it is read. A view of very many flows is therefore read in
//! slices, between which the meter may change. Each flow, connection or host is read at one
//! moment; two of them may be read at two. What ends or begins while a view is read may be in it
//! or not.

use crate::{
    Connection, Host, Meter, Query, Record,
    query::{Item, Order, ThingKey},
    quic,
    rank::Rank,
};

/// How many things a slice has, roughly.
pub(crate) const SLICE: u32 = 1 << 12;

/// Flows, connections or hosts that are being read out of a meter.
///
/// ```
/// # use netweir_flow::{Listing, Meter, Query, Record, Settings};
/// # let meter = std::sync::RwLock::new(Meter::new(&Settings::default(), 0));
/// let mut listing = Listing::<Record>::new(Query::default());
/// // The lock is taken for one slice at a time.
/// while meter.read().is_ok_and(|meter| listing.read(&meter)) {}
/// let records = listing.finish();
/// # assert!(records.is_empty());
/// ```
#[derive(Debug)]
pub struct Listing<T> {
    query: Query,
    /// Where the next slice begins.
    next: u32,
    kept: Vec<Item<T>>,
    /// What does not come before this is not asked for.
    floor: Option<(Rank, ThingKey)>,
}

impl<T> Listing<T> {
    /// Nothing yet of what `query` asks for.
    pub const fn new(query: Query) -> Self {
        Self {
            query,
            next: 0,
            kept: Vec::new(),
            floor: None,
        }
    }

    /// All that was asked for, in its order.
    pub fn finish(mut self) -> Vec<T> {
        let order = Order::of(&self.query);
        self.kept
            .sort_unstable_by(|item, other| order.items(item, other));
        self.kept.truncate(order.limit);
        self.kept.into_iter().map(|item| item.thing).collect()
    }
}

impl Listing<Record> {
    /// Reads the next slice; whether there are more of them.
    pub fn read(&mut self, meter: &Meter) -> bool {
        read(self, meter)
    }
}

impl Listing<Connection> {
    /// Reads the next slice; whether there are more of them.
    pub fn read(&mut self, meter: &Meter) -> bool {
        read(self, meter)
    }
}

impl Listing<Host> {
    /// Reads the next slice; whether there are more of them.
    pub fn read(&mut self, meter: &Meter) -> bool {
        read(self, meter)
    }
}

impl Listing<quic::Record> {
    /// Reads the next slice; whether there are more of them.
    pub fn read(&mut self, meter: &Meter) -> bool {
        read(self, meter)
    }
}

/// What can be listed.
pub(crate) trait Listed: Sized {
    /// What stands for one of them while it may still be passed over.
    type Candidate: Copy;

    /// Offers a slice of what is asked for; where the next one begins, unless it was the last.
    fn offer(
        meter: &Meter,
        query: &Query,
        begin: u32,
        offer: &mut dyn FnMut(Rank, Self::Candidate),
    ) -> Option<u32>;

    /// What comes first among those of equal rank.
    fn key(meter: &Meter, candidate: Self::Candidate) -> ThingKey;

    /// Reads it; none where there is no such one.
    fn read(meter: &Meter, candidate: Self::Candidate) -> Option<Self>;
}

/// Everything that is asked for, at once.
pub(crate) fn all<T: Listed>(meter: &Meter, query: &Query) -> Vec<T> {
    let key = |candidate| T::key(meter, candidate);
    let mut best = Best::new(Order::of(query), &key, None);
    let mut next = Some(0);
    while let Some(begin) = next {
        next = T::offer(meter, query, begin, &mut |rank, candidate| {
            best.offer(rank, candidate);
        });
    }
    let sorted = best.sorted().into_iter();
    sorted
        .filter_map(|(_, candidate)| T::read(meter, candidate))
        .collect()
}

fn read<T: Listed>(listing: &mut Listing<T>, meter: &Meter) -> bool {
    let order = Order::of(&listing.query);
    let key = |candidate| T::key(meter, candidate);
    let mut best = Best::new(order, &key, listing.floor);
    let next = T::offer(
        meter,
        &listing.query,
        listing.next,
        &mut |rank, candidate| {
            best.offer(rank, candidate);
        },
    );
    let items = best.kept().into_iter().filter_map(|(rank, candidate)| {
        Some(Item {
            rank,
            key: key(candidate),
            thing: T::read(meter, candidate)?,
        })
    });
    listing.kept.extend(items);
    if listing.kept.len() >= order.limit.saturating_mul(2).max(1) {
        order.keep(&mut listing.kept, |item, other| order.items(item, other));
        listing.floor = listing.kept.last().map(|item| (item.rank, item.key));
    }
    listing.next = next.unwrap_or_default();
    next.is_some()
}

/// The first ones of an order, out of any number.
struct Best<'a, C> {
    order: Order,
    key: &'a dyn Fn(C) -> ThingKey,
    /// What does not come before this is not among the first.
    floor: Option<(Rank, ThingKey)>,
    kept: Vec<(Rank, C)>,
}

impl<'a, C: Copy> Best<'a, C> {
    /// At least so many are gathered before the last ones are let go.
    const SPARE: usize = 1024;

    fn new(order: Order, key: &'a dyn Fn(C) -> ThingKey, floor: Option<(Rank, ThingKey)>) -> Self {
        Self {
            order,
            key,
            floor,
            kept: Vec::new(),
        }
    }

    fn offer(&mut self, rank: Rank, candidate: C) {
        if let Some((floor, floor_key)) = &self.floor {
            let by_rank = self.order.ranks(rank, *floor);
            if by_rank
                .then_with(|| (self.key)(candidate).cmp(floor_key))
                .is_ge()
            {
                return;
            }
        }
        self.kept.push((rank, candidate));
        let spare = self.order.limit.max(Self::SPARE);
        if self.kept.len() >= self.order.limit.saturating_add(spare) {
            self.let_go();
        }
    }

    /// Lets go of what is not among the first.
    fn let_go(&mut self) {
        let (order, key) = (self.order, self.key);
        if order.limit >= self.kept.len() {
            return;
        }
        order.keep(&mut self.kept, |&(rank, thing), &(other_rank, other)| {
            let by_rank = order.ranks(rank, other_rank);
            by_rank.then_with(|| key(thing).cmp(&key(other)))
        });
        let worst = self.kept.last();
        self.floor = worst.map(|&(rank, candidate)| (rank, key(candidate)));
    }

    /// The first ones, in any order.
    fn kept(mut self) -> Vec<(Rank, C)> {
        self.let_go();
        self.kept
    }

    /// The first ones in their order.
    fn sorted(mut self) -> Vec<(Rank, C)> {
        self.let_go();
        let order = self.order;
        self.kept
            .sort_unstable_by(|one, other| order.ranks(one.0, other.0));
        for equal in self.kept.chunk_by_mut(|one, other| one.0 == other.0) {
            if equal.len() > 1 {
                equal.sort_by_cached_key(|&(_, candidate)| (self.key)(candidate));
            }
        }
        self.kept
    }
}
