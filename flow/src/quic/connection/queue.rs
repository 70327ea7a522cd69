//! Connections in the order in which they began to wait for something.

/// Numbers of connections, the oldest first; each is there once at most.
///
/// To put one in and to take one out, wherever it stands, takes the same time however many there are.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// By number: the neighbours of those that are there.
    places: Vec<Option<Place>>,
    first: Option<u32>,
    last: Option<u32>,
    length: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    before: Option<u32>,
    behind: Option<u32>,
}

impl Queue {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// The one that has waited longest.
    pub(super) const fn first(&self) -> Option<u32> {
        self.first
    }

    /// Puts one at the end, unless it is there.
    pub(super) fn push(&mut self, id: u32) {
        let number = id as usize;
        if self.places.len() <= number {
            self.places.resize(number + 1, None);
        }
        if self.places[number].is_some() {
            return;
        }
        let before = self.last.replace(id);
        self.places[number] = Some(Place {
            before,
            behind: None,
        });
        match before.and_then(|before| self.place_mut(before)) {
            Some(place) => place.behind = Some(id),
            None => self.first = Some(id),
        }
        self.length += 1;
    }

    /// Takes one out; whether it was there.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        let place = self.places.get_mut(id as usize).and_then(Option::take);
        let Some(Place { before, behind }) = place else {
            return false;
        };
        match before.and_then(|before| self.place_mut(before)) {
            Some(place) => place.behind = behind,
            None => self.first = behind,
        }
        match behind.and_then(|behind| self.place_mut(behind)) {
            Some(place) => place.before = before,
            None => self.last = before,
        }
        self.length -= 1;
        true
    }

    fn place_mut(&mut self, id: u32) -> Option<&mut Place> {
        self.places.get_mut(id as usize)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_list_without_repetitions(steps in prop::collection::vec((0..8_u32, any::<bool>()), 0..80)) {
            let mut queue = Queue::default();
            let mut model: Vec<u32> = Vec::new();
            for (id, is_push) in steps {
                if !is_push {
                    let is_there = model.contains(&id);
                    prop_assert_eq!(queue.remove(id), is_there);
                    model.retain(|one| *one != id);
                } else {
                    queue.push(id);
                    if !model.contains(&id) {
                        model.push(id);
                    }
                }
                prop_assert_eq!((queue.first(), queue.len()), (model.first().copied(), model.len()));
            }
            for id in model {
                prop_assert_eq!(queue.first(), Some(id));
                queue.remove(id);
            }
            prop_assert_eq!((queue.first(), queue.len()), (None, 0));
        }
    }
}
