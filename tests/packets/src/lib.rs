//! The packets that every ring of tests is run on, with their meaning.
//!
//! [`corpus`] hands out frames, each with what the parser has to say about it. The meaning is
//! written by hand from the standards: it is never computed by the parser under test. The host
//! parser is tested on the corpus here, the kernel programs are tested on it by
//! `BPF_PROG_TEST_RUN`, and fuzzers begin with it. [`frame`] builds the bytes, [`Expected`] the
//! meaning, and `case` holds a table for each noun. [`read_usual`] holds the short way of reading
//! against the complete one. [`quic`] builds QUIC packets, the protected ones too.

mod case;
mod expected;
pub mod frame;
pub mod quic;
mod usual;

pub use case::corpus;
pub use expected::{Expected, port_bits};
use netweir_wire::packet::LinkType;
pub use usual::read_usual;

/// A frame and its meaning.
#[derive(Clone, Debug)]
pub struct Case {
    /// A unique name in snake case.
    pub name: &'static str,
    /// How the first byte is to be read.
    pub link: LinkType,
    /// The frame from its first byte, without frame check sequence.
    pub bytes: Vec<u8>,
    /// What the frame says.
    pub expected: Expected,
}
