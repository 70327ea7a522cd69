//! The CPUs of this machine, as the kernel maps are divided among them.

use std::{fs, io};

use crate::{Error, error::Doing};

/// The CPUs that there are, and those that there could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus {
    /// Numbers of those that there could be, rising. Some numbers may be left out.
    possible: Vec<u32>,
    /// One more than the highest number of those that there are, online or not.
    present: u32,
}

impl Cpus {
    /// Those of the running kernel.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn of_machine() -> Result<Self, Error> {
        let read = |name| {
            let list = fs::read_to_string(format!("/sys/devices/system/cpu/{name}"));
            list.doing("count the CPUs")
        };
        let cpus = Self::parse(&read("possible")?, &read("present")?);
        cpus.ok_or(io::ErrorKind::InvalidData)
            .doing("understand the list of CPUs")
    }

    /// From the lists of the kernel: `0,2-3` is three CPUs.
    fn parse(possible: &str, present: &str) -> Option<Self> {
        Some(Self {
            possible: numbers(possible)?,
            present: numbers(present)?.into_iter().max()?.checked_add(1)?,
        })
    }

    /// The numbers of all CPUs that there are or could be: a value of each, in this order, is what
    /// the kernel keeps and tells in maps that it divides itself.
    pub fn possible(&self) -> &[u32] {
        &self.possible
    }

    /// How many CPUs have a part of the maps that we divide: those with the first so many numbers.
    ///
    /// They are those that there are, online or not, for they come and go. Many machines could have
    /// many more, which nobody ever plugs in: a part for each would leave next to nothing to those
    /// that there are.
    pub const fn present(&self) -> u32 {
        self.present
    }

    /// One more than the highest number of all.
    pub(crate) fn numbers(&self) -> u32 {
        let last = self.possible.last().map_or(0, |last| last + 1);
        last.max(self.present)
    }
}

/// The numbers in a list of ranges.
fn numbers(list: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        numbers.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::Cpus;

    #[test]
    fn numbers_may_be_left_out() {
        let cpus = Cpus::parse("0,2-3,8-9\n", "0,2\n").unwrap();
        assert_eq!(cpus.possible(), [0, 2, 3, 8, 9]);
        assert_eq!((cpus.present(), cpus.numbers()), (3, 10));
    }

    #[test]
    fn one_cpu_is_a_list_too() {
        let cpus = Cpus::parse("0", "0").unwrap();
        assert_eq!((cpus.possible(), cpus.present()), (&[0][..], 1));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (possible, present) in [("", "0"), ("0-1", ""), ("0-", "0"), ("0", "x")] {
            assert_eq!(Cpus::parse(possible, present), None);
        }
    }
}
