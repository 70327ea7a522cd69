//! The rules of this host: the file in which they last, and how it is read and changed.
//!
//! One file has them all, with the numbers that rules and labels have got. The commands change it, the
//! agent follows it. Whoever changes it holds its lock, and puts a whole new file in its place: so a
//! reader never meets half of a change, and two changes at once come one after the other.

mod desk;
mod file;
mod follow;
mod store;

pub(crate) use desk::Desk;
pub(crate) use file::{export, parse};
pub(crate) use follow::Follower;
pub(crate) use store::{Book, Store, WontDo, read};

/// Reads a file of rules, and writes what it says: for others to load, and as it lasts where every rule
/// has its number. What has been written says the same again, which the fuzzers check.
///
/// # Errors
/// What is wrong with it.
pub fn rewritten(text: &str) -> anyhow::Result<(String, Option<String>)> {
    let contents = parse("rules", text)?;
    let exported = export(contents.rules.iter().map(|entry| &entry.rule));
    let kept = Book::of("rules", contents).ok();
    Ok((exported, kept.as_ref().map(file::write)))
}
