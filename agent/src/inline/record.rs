//! What is told of tapped frames, to whoever writes it down. Forwarding never waits for that.

use std::{
    sync::mpsc::{SyncSender, TrySendError},
    time::{Duration, Instant},
};

use netweir_wire::map::TapMark;

use crate::memory::{Memory, split_value};

/// A frame that was tapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tapped {
    /// The interface that it came by: 0 the first one, 1 the second.
    pub end: usize,
    /// What the program has put before it.
    pub mark: TapMark,
    /// Bytes of the frame.
    pub frame_bytes: u32,
    /// The first of them.
    pub bytes: Box<[u8]>,
}

/// What is to be told of tapped frames.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Who gets them, several at once; what finds no room there is counted as unrecorded.
    pub to: SyncSender<Vec<Tapped>>,
    /// So many bytes of each frame.
    pub bytes: u32,
    /// So many frames a second, for each thread; the others are counted as unrecorded.
    pub per_second: u32,
}

/// What a lane tells.
pub(super) struct Recorder {
    recording: Option<Recording>,
    batch: Vec<Tapped>,
    passed_over: u64,
    left: u32,
    /// When there is more left.
    granted: Instant,
}

impl Recorder {
    pub(super) fn new(recording: Option<Recording>) -> Self {
        let recording = recording.filter(|to| to.per_second > 0);
        Self {
            left: recording.as_ref().map_or(0, |to| to.per_second),
            recording,
            batch: Vec::new(),
            passed_over: 0,
            granted: Instant::now(),
        }
    }

    /// Says how many of so many frames that came are to be taken down; the others are counted as unrecorded.
    pub(super) fn begin_batch(&mut self, frames: u32) -> u32 {
        let Some(recording) = &self.recording else {
            return 0;
        };
        if self.left < frames && self.granted.elapsed() >= Duration::from_secs(1) {
            (self.left, self.granted) = (recording.per_second, Instant::now());
        }
        let told = frames.min(self.left);
        self.left -= told;
        self.passed_over += u64::from(frames - told);
        told
    }

    /// Takes down a frame.
    pub(super) fn take(&mut self, end: usize, mark: &TapMark, bytes: &[u8]) {
        let Some(recording) = &self.recording else {
            return;
        };
        let kept = bytes.get(..recording.bytes as usize).unwrap_or(bytes);
        self.batch.push(Tapped {
            end,
            mark: *mark,
            frame_bytes: bytes.len() as u32,
            bytes: kept.into(),
        });
    }

    /// Hands over what was taken down; returns how many that were, and how many were not.
    pub(super) fn end_batch(&mut self) -> (u64, u64) {
        let passed_over = std::mem::take(&mut self.passed_over);
        if self.batch.is_empty() {
            return (0, passed_over);
        }
        let batch = std::mem::take(&mut self.batch);
        let count = batch.len() as u64;
        let Some(recording) = &self.recording else {
            return (0, passed_over);
        };
        match recording.to.try_send(batch) {
            Ok(()) => (count, passed_over),
            Err(TrySendError::Full(batch)) => {
                self.batch = batch;
                self.batch.clear();
                (0, passed_over + count)
            }
            Err(TrySendError::Disconnected(_)) => {
                self.recording = None;
                (0, passed_over + count)
            }
        }
    }
}

/// A frame that lies there, and what the program has put before it.
pub(super) fn marked(frames: &Memory, offset: usize, length: usize) -> (TapMark, &[u8]) {
    // SAFETY: a frame is this side's until it is given back.
    let bytes = |from, length| unsafe { frames.bytes(from, length) };
    let before = offset.checked_sub(size_of::<TapMark>());
    let before = before.and_then(|from| bytes(from, size_of::<TapMark>()));
    let mark = before.and_then(|before| split_value(before).map(|(mark, _)| mark));
    (
        mark.unwrap_or_default(),
        bytes(offset, length).unwrap_or_default(),
    )
}
