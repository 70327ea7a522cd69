//! The file in which the rules of this host last.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, anyhow, bail};
use netweir_flow::{
    Label, Labelled,
    rule::{CompileError, Numbered, Rule, RuleSet},
};
use netweir_web::KnownRules;
use netweir_wire::map::{MAX_RULES, RULE_NUMBERS};
use rustix::fs::OFlags;
use thiserror::Error;

use super::file;
use crate::config::file::read_some;

/// The longest file of rules that is read: 1,024 rules and 65,535 labels are shorter.
const LONGEST_BYTES: u64 = 8 << 20;
/// How long somebody else may hold the lock.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the text of a file of rules, unless it has no end.
pub(crate) fn read(source: impl Read) -> io::Result<String> {
    read_some(source, LONGEST_BYTES)
}

/// Why a change cannot be made, as far as it is not the file that keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum WontDo {
    /// There is no rule of this number.
    #[error("there is no rule {0}; `netweir rule list` shows those that there are")]
    Unknown(u16),
    /// The kernel programs cannot take the rules.
    #[error(transparent)]
    Untakeable(#[from] CompileError),
}

/// All rules of this host, and the numbers that rules and labels have got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Book {
    /// The number that the next rule gets, if it is free.
    pub(super) next_number: u16,
    /// The numbers of labels, of those too that no rule gives any more.
    pub(super) labels: BTreeMap<String, u16>,
    set: RuleSet,
}

impl Book {
    /// The rules, those that are asked first in front.
    pub(crate) fn rules(&self) -> &[Numbered] {
        self.set.rules()
    }

    /// The rules as they decide.
    pub(crate) const fn set(&self) -> &RuleSet {
        &self.set
    }

    /// The rules, and the numbers of their labels, which last.
    pub(crate) fn known(&self) -> KnownRules {
        KnownRules {
            set: self.set.clone(),
            labels: self.labels.clone(),
        }
    }

    /// The rules as the meter is told of them.
    pub(crate) fn labelled(&self) -> Vec<Labelled> {
        let told = |Numbered { number, rule }: &Numbered| Labelled {
            number: *number,
            action: rule.action.kind(),
            label: Label {
                id: self.labels.get(&rule.label).copied().unwrap_or_default(),
                name: rule.label.as_str().into(),
            },
        };
        self.rules().iter().map(told).collect()
    }

    /// The rules of a file: with the numbers that they have there if each has one.
    pub(crate) fn of_file(path: &str, contents: file::Contents) -> anyhow::Result<Self> {
        if contents.rules.iter().all(|entry| entry.number.is_some()) {
            return Self::of(path, contents);
        }
        let mut book = Self::default();
        let rules = contents.rules.into_iter().map(|entry| entry.rule);
        book.replace(rules.collect())
            .with_context(|| path.to_owned())?;
        Ok(book)
    }

    /// Adds a rule; returns its number.
    pub(crate) fn add(&mut self, rule: Rule) -> anyhow::Result<u16> {
        let mut rules = self.set.rules().to_vec();
        is_room_for(rules.len() + 1)?;
        let number = self.take_number(&rules)?;
        rules.push(Numbered { number, rule });
        self.put(rules)?;
        Ok(number)
    }

    /// Removes those that are asked for; returns them.
    pub(crate) fn remove(&mut self, is_asked_for: impl Fn(&Numbered) -> bool) -> Vec<Numbered> {
        let rules = self.set.rules().to_vec();
        let (removed, kept) = rules.into_iter().partition(is_asked_for);
        self.set = RuleSet::new(kept);
        removed
    }

    /// Puts other rules in the place of all; one that was there keeps its number.
    pub(crate) fn replace(&mut self, rules: Vec<Rule>) -> anyhow::Result<()> {
        is_room_for(rules.len())?;
        let mut before = self.set.rules().to_vec();
        let mut after: Vec<Numbered> = Vec::with_capacity(rules.len());
        let mut new = Vec::new();
        for rule in rules {
            match before.iter().position(|known| known.rule == rule) {
                Some(place) => after.push(before.swap_remove(place)),
                None => new.push(rule),
            }
        }
        for rule in new {
            let number = self.take_number(&after)?;
            after.push(Numbered { number, rule });
        }
        self.put(after)
    }

    /// Puts rules in the place of all, if the kernel programs can take them.
    fn put(&mut self, rules: Vec<Numbered>) -> anyhow::Result<()> {
        RuleSet::new(rules.clone())
            .compile()
            .map_err(WontDo::from)?;
        self.keep(rules)
    }

    /// The same, of rules that were taken before: those of a file that somebody has written can be
    /// looked at and removed in any case.
    fn keep(&mut self, rules: Vec<Numbered>) -> anyhow::Result<()> {
        let mut last = self.labels.values().copied().max().unwrap_or(0);
        for Numbered { rule, .. } in &rules {
            if !self.labels.contains_key(&rule.label) {
                last = last
                    .checked_add(1)
                    .context("there are 65535 labels already")?;
                self.labels.insert(rule.label.clone(), last);
            }
        }
        self.set = RuleSet::new(rules);
        Ok(())
    }

    /// A number that no rule has, and none had for as long as possible: flows bear it for a while.
    fn take_number(&mut self, used: &[Numbered]) -> anyhow::Result<u16> {
        let used: HashSet<u16> = used
            .iter()
            .chain(self.set.rules())
            .map(|known| known.number)
            .collect();
        let first = self.next_number.clamp(1, RULE_NUMBERS - 1);
        let mut numbers = (first..RULE_NUMBERS).chain(1..first);
        let number = numbers.find(|number| !used.contains(number));
        let number = number.context("every rule number is in use")?;
        self.next_number = if number + 1 == RULE_NUMBERS {
            1
        } else {
            number + 1
        };
        Ok(number)
    }

    pub(super) fn of(path: &str, contents: file::Contents) -> anyhow::Result<Self> {
        let mut seen = HashSet::new();
        let mut rules = Vec::new();
        for entry in contents.rules {
            let Some(number) = entry.number.filter(|number| seen.insert(*number)) else {
                bail!(
                    "{path}:{}: the rule has no number, or that of another; to put a file of one's own \
                     in force move it elsewhere and use `netweir rule load FILE`, which gives numbers",
                    entry.line
                );
            };
            rules.push(Numbered {
                number,
                rule: entry.rule,
            });
        }
        let mut book = Self {
            next_number: contents.next_number,
            labels: contents.labels.into_iter().collect(),
            set: RuleSet::default(),
        };
        book.keep(rules).with_context(|| path.to_owned())?;
        Ok(book)
    }
}

/// Before numbers are given: an error says that there are too many rules, and not that numbers are lacking.
fn is_room_for(rules: usize) -> Result<(), WontDo> {
    if rules > MAX_RULES {
        return Err(CompileError::TooMany(rules).into());
    }
    Ok(())
}

/// What tells one state of the file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(SystemTime, u64, u64)>);

/// The file of the rules.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    path: PathBuf,
}

impl Store {
    pub(crate) fn new(path: &Path) -> Self {
        // Where there is no current folder, errors say so when the file is opened.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Changes with every change of the file.
    pub(crate) fn stamp(&self) -> Stamp {
        let found = fs::metadata(&self.path).ok();
        Stamp(found.and_then(|found| Some((found.modified().ok()?, found.ino(), found.len()))))
    }

    /// The rules as they are now; none where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or says something wrong, with the line.
    pub(crate) fn read(&self) -> anyhow::Result<Book> {
        let path = self.path.display().to_string();
        // Without waiting for somebody at the other end of a pipe.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc_flags(OFlags::NONBLOCK))
            .open(&self.path);
        let text = match opened.and_then(read) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Book::default()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read the rules {path}"));
            }
        };
        let book = file::parse(&path, &text).and_then(|kept| Book::of(&path, kept));
        book.map_err(|error| {
            anyhow!("{error:#} (mend the file, or move it away: without it there are no rules)")
        })
    }

    /// Changes the rules: whoever else does so meanwhile comes before or after it.
    ///
    /// # Errors
    /// That of `change`, or the file cannot be written; then nothing has changed.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Book) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.refuse_other_than_file()?;
        let _lock = self.lock()?;
        let mut book = self.read()?;
        let result = change(&mut book)?;
        self.write(&book)
            .with_context(|| format!("cannot write the rules {}", self.path.display()))?;
        Ok(result)
    }

    /// What is there would be replaced, be it a device that everybody uses.
    fn refuse_other_than_file(&self) -> anyhow::Result<()> {
        let found = fs::metadata(&self.path);
        if found.is_ok_and(|found| !found.is_file()) {
            bail!(
                "{} is no file that rules can be kept in",
                self.path.display()
            );
        }
        Ok(())
    }

    /// Holds the lock until the file is closed.
    fn lock(&self) -> anyhow::Result<File> {
        let path = self.beside("lock");
        let opened = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .custom_flags(libc_flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
                .open(&path)
        };
        let file = opened().with_context(|| {
            format!(
                "cannot lock the rules with {} (changing rules takes root, or another place: \
                 --set rules.file=PATH)",
                path.display()
            )
        })?;
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = file.try_lock() {
            let error = match error {
                TryLockError::WouldBlock if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
                TryLockError::WouldBlock => anyhow!(
                    "somebody else has been changing the rules for {} seconds (`fuser -v {}` says \
                     who): try again when that has ended",
                    PATIENCE.as_secs(),
                    path.display()
                ),
                TryLockError::Error(error) => {
                    anyhow!(error).context(format!("cannot lock the rules with {}", path.display()))
                }
            };
            return Err(error);
        }
        Ok(file)
    }

    /// Puts a whole new file in the place of the one that is there.
    fn write(&self, book: &Book) -> io::Result<()> {
        let path = self.beside("new");
        let written = write_whole(&path, &file::write(book));
        let target = self.target();
        if let Err(error) = written.and_then(|()| fs::rename(&path, &target)) {
            // Where the disk is full it would take the room from somebody else.
            let _removed = fs::remove_file(&path);
            return Err(error);
        }
        target
            .parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// The file itself, where its name is a link.
    fn target(&self) -> PathBuf {
        fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone())
    }

    /// A file in the same folder, which has the name of this one and an ending.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.target().into_os_string();
        name.push(".");
        name.push(ending);
        name.into()
    }
}

/// As the standard library takes them.
const fn libc_flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// Writes a file of this text, and waits until it is on the disk.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    // Not into what a link of that name leads to.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
