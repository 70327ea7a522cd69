//! Capture files, read as a stream of frames, and written: the only code that knows pcap and pcapng.
//!
//! [`Reader`] takes a path, standard input or any [`std::io::Read`], undoes gzip and zstd, and
//! lends out one [`Frame`] at a time. It looks no further than the capture format: what is inside a
//! frame is for the packet parser of `netweir-wire`. Memory is bounded by [`MAX_RECORD_BYTES`] and
//! by the window of the compression, whatever the size of the file. Nothing in a file makes it
//! panic; every [`Error`] of the format names the offset in the decompressed stream.
//!
//! [`Section`] makes the blocks of a pcapng file.
//!
//! The framing is our own. The streaming readers of `pcap-parser` were weighed: their errors carry
//! no offset, a block larger than the buffer needs the caller to grow it, and a short first read
//! from a pipe is an error. The framing that remains when those are solved outside is as long as
//! this.

mod compression;
mod error;
mod frame;
mod order;
mod pcap;
mod pcapng;
mod reader;
mod source;
mod zstd;

pub use compression::Compression;
pub use error::Error;
pub use frame::{Direction, Frame};
pub use pcapng::{DescribedInterface, Packet, Section, whole_blocks};
pub use reader::Reader;
pub use source::MAX_RECORD_BYTES;
