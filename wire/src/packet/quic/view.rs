//! The QUIC packets of a datagram whose bytes lie in one piece.

use super::{Body, Header, Long, Problem, Short, Span, Version};

/// The packets of a datagram, one after the other (RFC 9000 section 12.2).
///
/// The walk ends with a packet that goes on to the end of its datagram, as all do whose layout is
/// not known, and with the first problem. What a sender appends as padding behind the last packet
/// looks like a packet with a short header whose fixed bit is 0.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

/// One QUIC packet; its offsets are those in its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View<'a> {
    /// A packet with a long header.
    Long(LongView<'a>),
    /// A packet with a short header, which is the last of its datagram.
    Short {
        /// The packet from its first byte.
        bytes: &'a [u8],
        /// The header.
        header: Short,
    },
}

/// One QUIC packet with a long header; its offsets are those in its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongView<'a> {
    /// The packet from its first byte to its own end.
    pub bytes: &'a [u8],
    /// What every version has.
    pub header: Long,
    /// What this version has.
    pub body: Body,
}

impl<'a> Packets<'a> {
    /// Begins at the start of a UDP payload.
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<View<'a>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let view = View::read(self.rest);
        let length = view.map_or(self.rest.len(), |view| view.bytes().len());
        self.rest = self.rest.get(length..).unwrap_or_default();
        Some(view)
    }
}

impl<'a> View<'a> {
    /// Reads the first packet of a datagram, or of what is left of one.
    ///
    /// # Errors
    /// Says why its header cannot be read.
    pub fn read(datagram: &'a [u8]) -> Result<Self, Problem> {
        let header = match Header::read(&datagram, 0)? {
            Header::Long(header) => header,
            Header::Short(header) => {
                let bytes = datagram;
                return Ok(Self::Short { bytes, header });
            }
        };
        let body = Body::read(&datagram, &header, datagram.len())?;
        let end = body.end(datagram.len());
        Ok(Self::Long(LongView {
            bytes: datagram.get(..end).unwrap_or_default(),
            header,
            body,
        }))
    }

    /// The packet from its first byte to its own end.
    pub const fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Long(view) => view.bytes,
            Self::Short { bytes, .. } => bytes,
        }
    }
}

impl<'a> LongView<'a> {
    /// The destination connection ID.
    pub fn dcid(&self) -> &'a [u8] {
        self.header.dcid.of(self.bytes)
    }

    /// The source connection ID.
    pub fn scid(&self) -> &'a [u8] {
        self.header.scid.of(self.bytes)
    }

    /// The token of an Initial or of a Retry; empty in others.
    pub fn token(&self) -> &'a [u8] {
        match self.body {
            Body::Initial { token, .. } | Body::Retry { token, .. } => token.of(self.bytes),
            _ => &[],
        }
    }

    /// Where the packet number begins, in a packet that has one.
    pub const fn packet_number_offset(&self) -> Option<usize> {
        match self.body {
            Body::Initial { protected, .. }
            | Body::ZeroRtt { protected }
            | Body::Handshake { protected } => Some(protected.offset),
            _ => None,
        }
    }

    /// The versions that a version negotiation offers; none in other packets.
    pub fn versions(&self) -> impl Iterator<Item = Version> + use<'a> {
        let versions = match self.body {
            Body::VersionNegotiation { versions } => versions,
            _ => Span::default(),
        };
        let (words, _) = versions.of(self.bytes).as_chunks::<4>();
        words.iter().map(|&word| Version(u32::from_be_bytes(word)))
    }
}
