//! What is told of tapped frames, to whoever writes it down. Forwarding never waits for that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
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

/// Where tapped frames are told, and how much of them.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Who gets them, several at once; what finds no room there is counted as unrecorded.
    pub to: SyncSender<Vec<Tapped>>,
    /// How much is told.
    pub appetite: Arc<Appetite>,
}

/// How much is told of tapped frames. It may change at any time; each batch of frames looks anew.
#[derive(Debug)]
pub struct Appetite {
    bytes: AtomicU32,
    per_second: AtomicU32,
    recorded: AtomicU64,
    unrecorded: AtomicU64,
}

impl Appetite {
    /// So many bytes of each frame, of so many frames a second and thread; the others are counted as
    /// unrecorded, unless nothing is to be told.
    pub const fn new(bytes: u32, per_second: u32) -> Self {
        Self {
            bytes: AtomicU32::new(bytes),
            per_second: AtomicU32::new(per_second),
            recorded: AtomicU64::new(0),
            unrecorded: AtomicU64::new(0),
        }
    }

    /// So many from now on.
    pub fn set(&self, bytes: u32, per_second: u32) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// Frames since the start that were told of. Each is before it goes on.
    pub fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    /// Frames since the start that nothing was told of.
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }
}

/// What a lane tells.
pub(super) struct Recorder {
    recording: Option<Recording>,
    /// Bytes of each frame, in the batch at hand.
    bytes: usize,
    batch: Vec<Tapped>,
    passed_over: u64,
    /// Frames that were told of since then.
    told: u32,
    granted: Instant,
}

impl Recorder {
    pub(super) fn new(recording: Option<Recording>) -> Self {
        Self {
            recording,
            bytes: 0,
            batch: Vec::new(),
            passed_over: 0,
            told: 0,
            granted: Instant::now(),
        }
    }

    /// Says how many of so many frames that came are to be taken down; the others are counted as unrecorded.
    pub(super) fn begin_batch(&mut self, frames: u32) -> u32 {
        let Some(Recording { appetite, .. }) = &self.recording else {
            return 0;
        };
        self.bytes = appetite.bytes.load(Ordering::Relaxed) as usize;
        let most = appetite.per_second.load(Ordering::Relaxed);
        if most == 0 {
            return 0;
        }
        if most.saturating_sub(self.told) < frames
            && self.granted.elapsed() >= Duration::from_secs(1)
        {
            (self.told, self.granted) = (0, Instant::now());
        }
        let told = frames.min(most.saturating_sub(self.told));
        self.told += told;
        self.passed_over += u64::from(frames - told);
        told
    }

    /// Takes down a frame.
    pub(super) fn take(&mut self, end: usize, mark: &TapMark, bytes: &[u8]) {
        let kept = bytes.get(..self.bytes).unwrap_or(bytes);
        self.batch.push(Tapped {
            end,
            mark: *mark,
            frame_bytes: bytes.len() as u32,
            bytes: kept.into(),
        });
    }

    /// Hands over what was taken down; returns how many that were, and how many were not.
    pub(super) fn end_batch(&mut self) -> (u64, u64) {
        let mut passed_over = std::mem::take(&mut self.passed_over);
        let taken = self.batch.len() as u64;
        let Some(Recording { to, appetite }) = &self.recording else {
            return (0, passed_over);
        };
        let told = match taken {
            0 => Ok(()),
            _ => to.try_send(std::mem::take(&mut self.batch)),
        };
        if told.is_err() {
            passed_over += taken;
        }
        if passed_over > 0 {
            appetite
                .unrecorded
                .fetch_add(passed_over, Ordering::Relaxed);
        }
        match told {
            Ok(()) => {
                appetite.recorded.fetch_add(taken, Ordering::Relaxed);
                return (taken, passed_over);
            }
            Err(TrySendError::Full(batch)) => {
                self.batch = batch;
                self.batch.clear();
            }
            Err(TrySendError::Disconnected(_)) => self.recording = None,
        }
        (0, passed_over)
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// What a batch of so many frames of 100 bytes tells: lengths of what was told, and how many were not.
    fn tell(recorder: &mut Recorder, frames: u32) -> (u64, u64) {
        for _ in 0..recorder.begin_batch(frames) {
            recorder.take(1, &TapMark::default(), &[7; 100]);
        }
        recorder.end_batch()
    }

    #[test]
    fn as_much_is_told_as_is_wanted() {
        let (to, told) = sync_channel(2);
        let appetite = Arc::new(Appetite::new(60, 10));
        let mut recorder = Recorder::new(Some(Recording {
            to,
            appetite: Arc::clone(&appetite),
        }));
        assert_eq!(tell(&mut recorder, 7), (7, 0));
        assert_eq!(tell(&mut recorder, 7), (3, 4));
        let mut batches = told.try_iter();
        for frames in [7, 3] {
            let batch = batches.next().unwrap();
            assert_eq!(batch.len(), frames);
            let whole = |one: &Tapped| (one.end, one.frame_bytes, one.bytes.len()) == (1, 100, 60);
            assert!(batch.iter().all(whole), "{batch:?}");
        }
        // More, and then nothing: of that none is missing.
        appetite.set(1000, u32::MAX);
        assert_eq!(tell(&mut recorder, 7), (7, 0));
        assert_eq!(told.recv().unwrap()[0].bytes.len(), 100);
        appetite.set(60, 0);
        assert_eq!(tell(&mut recorder, 7), (0, 0));
        // Nobody takes what is told; then there is nobody any more.
        appetite.set(60, u32::MAX);
        for expected in [(1, 0), (1, 0), (0, 1)] {
            assert_eq!(tell(&mut recorder, 1), expected);
        }
        assert_eq!((appetite.recorded(), appetite.unrecorded()), (19, 5));
        drop(told);
        assert_eq!(tell(&mut recorder, 2), (0, 2));
        assert_eq!(appetite.unrecorded(), 7);
        assert_eq!(tell(&mut recorder, 2), (0, 0));
    }
}
