//! Frames that were submitted at a queue, and whose they are until the kernel has taken them.

use std::collections::VecDeque;

/// Frames that were submitted at a queue and not taken yet. Drivers that do not copy take them whenever they
/// like, and a poll may send some too: so what counts is what is in the ring, not what a call has done.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// The port that they came by and how many, in their order.
    frames: VecDeque<(usize, u32)>,
    submitted: u32,
    /// Of those that were taken, the ones that are known to be lost and not told yet.
    lost: u32,
}

impl Owed {
    /// So many more were submitted, which came by that port.
    pub(super) fn add(&mut self, from: usize, frames: u32) {
        self.frames.push_back((from, frames));
        self.submitted += frames;
    }

    /// One of those that were taken is lost.
    pub(super) const fn lose(&mut self) {
        self.lost += 1;
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.submitted == 0
    }

    /// Tells of those that were taken, where so many wait still: the port, how many, and how many of these are
    /// lost. Returns how many that were.
    pub(super) fn settle(&mut self, waiting: u32, mut tell: impl FnMut(usize, u32, u32)) -> u32 {
        let taken = self.submitted.saturating_sub(waiting);
        let mut left = taken;
        while left > 0 {
            let Some((from, frames)) = self.frames.pop_front() else {
                break;
            };
            let settled = frames.min(left);
            if settled < frames {
                self.frames.push_front((from, frames - settled));
            }
            let lost = self.lost.min(settled);
            tell(from, settled, lost);
            left -= settled;
            self.lost -= lost;
        }
        self.submitted -= taken;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::Owed;

    /// What is told with so many waiting.
    fn settled(owed: &mut Owed, waiting: u32) -> Vec<(usize, u32, u32)> {
        let mut told = Vec::new();
        owed.settle(waiting, |from, frames, lost| {
            told.push((from, frames, lost));
        });
        told
    }

    #[test]
    fn frames_are_told_in_their_order_and_once() {
        let mut owed = Owed::default();
        owed.add(0, 5);
        owed.add(2, 3);
        assert_eq!(settled(&mut owed, 8), []);
        assert_eq!(settled(&mut owed, 6), [(0, 2, 0)]);
        assert_eq!(settled(&mut owed, 1), [(0, 3, 0), (2, 2, 0)]);
        owed.add(1, 1);
        assert_eq!(settled(&mut owed, 0), [(2, 1, 0), (1, 1, 0)]);
        assert!(owed.is_empty());
        assert_eq!(settled(&mut owed, 0), []);
    }

    #[test]
    fn a_loss_that_is_heard_of_before_its_frame_is_gone_is_kept() {
        let mut owed = Owed::default();
        owed.add(0, 2);
        owed.add(1, 2);
        owed.lose();
        assert_eq!(settled(&mut owed, 4), []);
        owed.lose();
        owed.lose();
        assert_eq!(settled(&mut owed, 1), [(0, 2, 2), (1, 1, 1)]);
        assert_eq!(settled(&mut owed, 0), [(1, 1, 0)]);
    }
}
