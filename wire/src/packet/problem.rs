//! Why a packet could not be read to the end of its headers.

/// Why a packet could not be read to the end of its headers.
///
/// Such a packet is counted all the same, under what could be read before that. The numbers cross
/// the kernel border as the index of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Problem {
    /// All headers were read.
    #[default]
    None = 0,
    /// The frame ends inside the link header.
    LinkTruncated = 1,
    /// The frame ends inside a VLAN tag.
    TagTruncated = 2,
    /// There are more VLAN tags than [`super::MAX_TAGS`].
    TooManyTags = 3,
    /// The frame ends inside the IP header, its options included.
    NetworkTruncated = 4,
    /// The IP header contradicts itself: its version, header length or total length.
    NetworkMalformed = 5,
    /// The packet ends inside an IPv6 extension header.
    ExtensionTruncated = 6,
    /// There are more IPv6 extension headers than [`super::MAX_EXTENSIONS`].
    TooManyExtensions = 7,
    /// The packet ends inside the transport header.
    TransportTruncated = 8,
    /// A header ends past [`super::MAX_HEADER_BYTES`], or a transport header begins so near to it
    /// that the longest would.
    TooLong = 9,
}

impl Problem {
    /// Every problem, in the order of its number.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::LinkTruncated,
        Self::TagTruncated,
        Self::TooManyTags,
        Self::NetworkTruncated,
        Self::NetworkMalformed,
        Self::ExtensionTruncated,
        Self::TooManyExtensions,
        Self::TransportTruncated,
        Self::TooLong,
    ];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::LinkTruncated => "link_truncated",
            Self::TagTruncated => "tag_truncated",
            Self::TooManyTags => "too_many_tags",
            Self::NetworkTruncated => "network_truncated",
            Self::NetworkMalformed => "network_malformed",
            Self::ExtensionTruncated => "extension_truncated",
            Self::TooManyExtensions => "too_many_extensions",
            Self::TransportTruncated => "transport_truncated",
            Self::TooLong => "too_long",
        }
    }
}
