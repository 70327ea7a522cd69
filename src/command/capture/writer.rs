//! A capture that is being written, and the books of it.

use std::{collections::HashMap, path::Path, sync::RwLock};

use netweir_capture::{DescribedInterface, Direction, Packet};
use netweir_flow::{InterfaceId, Meter};

use super::{
    Until,
    file::{Bounds, Files},
    heads::{Heads, TAG_BYTES},
};
use crate::{
    args::BoundArgs,
    foreign::escaped,
    log::tell,
    tapped::{Books, Entry},
    unit::{bytes, things},
};

/// Bytes that wait at most to be written.
const MAX_WAITING: usize = 1 << 20;

/// What a meter keeps, as it is written.
pub(in crate::command) struct Capture {
    pub(super) writer: Writer,
    heads: Heads,
}

/// Files with packets.
pub(super) struct Writer {
    files: Files,
    /// Bytes of a packet that are written at most.
    snapshot_bytes: usize,
    /// The numbers that interfaces have in the file at hand.
    interfaces: HashMap<InterfaceId, u32>,
}

impl Capture {
    /// Begins the first file, for as much as is asked for of these heads, so many bytes of each.
    pub(in crate::command) fn create(
        path: &Path,
        bounds: &BoundArgs,
        (heads, snapshot_bytes): (Heads, usize),
        until: &Until<'_>,
    ) -> anyhow::Result<Self> {
        let bounds = Bounds {
            packets: bounds.count,
            bytes: bounds.size,
            ring: bounds.ring,
        };
        let writer = Writer {
            files: Files::create(path, bounds, until)?,
            snapshot_bytes,
            interfaces: HashMap::new(),
        };
        Ok(Self { writer, heads })
    }

    /// Whether there is as much as was asked for.
    pub(in crate::command) fn is_full(&self) -> bool {
        self.writer.is_full()
    }

    /// Writes the heads that came since the last time, as many as are still asked for.
    pub(in crate::command) fn write_new(
        &mut self,
        meter: &RwLock<Meter>,
        until: &Until<'_>,
    ) -> anyhow::Result<()> {
        let Self { writer, heads } = self;
        for entry in heads.news(meter) {
            if writer.is_full() {
                break;
            }
            writer.add(&entry, until)?;
        }
        writer.flush(until)
    }

    /// Prints to standard error at the end what became of the packets that came, so many of them: of each one
    /// thing.
    pub(in crate::command) fn print_books(&self, received: u64, elsewhere: Books) {
        let Books {
            unwanted, missed, ..
        } = self.heads.books();
        let books = Books {
            received: received.saturating_add(elsewhere.received),
            unwanted: unwanted.saturating_add(elsewhere.unwanted),
            missed: missed.saturating_add(elsewhere.missed),
        };
        self.writer.print_books(&books, self.heads.has_filter());
    }
}

impl Writer {
    pub(super) fn is_full(&self) -> bool {
        self.files.is_full()
    }

    /// Adds a packet, to another file where it is time for one.
    pub(super) fn add(&mut self, entry: &Entry, until: &Until<'_>) -> anyhow::Result<()> {
        if self.files.begin_next(until)? {
            self.interfaces.clear();
        }
        let section = self.files.section();
        let interface = self.interfaces.entry(entry.interface_id());
        let interface = *interface.or_insert_with(|| {
            section.add_interface(&DescribedInterface {
                name: &entry.interface,
                description: &format!("index {} in namespace {}", entry.ifindex, entry.netns),
                link_type: entry.link_type,
                // A tag that the kernel keeps beside the frame is put back.
                snapshot_bytes: (self.snapshot_bytes + TAG_BYTES) as u32,
            })
        });
        section.add_packet(&Packet {
            interface,
            timestamp_ns: entry.unix_ns,
            wire_bytes: entry.wire_bytes,
            direction: Some(match entry.is_outbound {
                true => Direction::Outbound,
                false => Direction::Inbound,
            }),
            comment: &entry.comment,
            bytes: &entry.bytes,
        });
        self.files.count();
        if self.files.section().waiting_bytes() > MAX_WAITING {
            self.flush(until)?;
        }
        Ok(())
    }

    /// Writes what was added.
    pub(super) fn flush(&mut self, until: &Until<'_>) -> anyhow::Result<()> {
        self.files.flush(until)
    }

    fn print_books(&self, books: &Books, has_filter: bool) {
        let Books {
            received,
            unwanted,
            missed,
        } = books;
        let written = self.files.written();
        let known = [written, *unwanted, *missed].into_iter();
        let left = received.saturating_sub(known.fold(0, u64::saturating_add));
        let mut line = format!(
            "{} written to {} ({})",
            things(written, "packet"),
            self.files.names(),
            bytes(self.files.bytes()),
        );
        if has_filter || *unwanted > 0 {
            line += &format!(", {unwanted} others did not match");
        }
        if *missed > 0 {
            line += &format!(", {missed} came too fast and are missing");
        }
        if left > 0 {
            line += &format!(", {left} more were not written");
        }
        tell(&escaped(&line));
    }
}
