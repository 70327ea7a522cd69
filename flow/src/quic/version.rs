//! What protects the Initials and Retries of each version.

use netweir_wire::packet::quic::{Family, Version};

/// What the keys of a version's Initials are made with, and its Retry key.
#[derive(Debug)]
pub(super) struct Protection {
    /// What the client's connection ID is mixed with (RFC 9001 section 5.2).
    pub(super) salt: [u8; 20],
    /// Labels of key, IV and header protection key (RFC 9001 section 5.1, RFC 9369 section 3.3.2).
    pub(super) labels: &'static Labels,
    /// `None` in the drafts whose Retry has no integrity tag.
    pub(super) retry: Option<RetryKey>,
}

#[derive(Debug)]
pub(super) struct Labels {
    pub(super) key: &'static [u8],
    pub(super) iv: &'static [u8],
    pub(super) header: &'static [u8],
}

/// What the integrity tag of a Retry is made with (RFC 9001 section 5.8).
#[derive(Debug)]
pub(super) struct RetryKey {
    pub(super) key: [u8; 16],
    pub(super) nonce: [u8; 12],
}

/// Whether Initials of this version can be opened: versions 1 and 2 and their drafts from -22 and
/// -01 on.
pub fn can_open_initials(version: Version) -> bool {
    Protection::of(version).is_some()
}

impl Protection {
    pub(super) const fn of(version: Version) -> Option<&'static Self> {
        match version.family() {
            Family::V1 | Family::Draft(33 | 34) => Some(&V1),
            Family::V2 => Some(&V2),
            Family::V2Draft => Some(&V2_DRAFT),
            Family::Draft(22) => Some(&DRAFT_22),
            Family::Draft(23 | 24) => Some(&DRAFT_23),
            Family::Draft(25..=28) => Some(&DRAFT_25),
            Family::Draft(29..=32) => Some(&DRAFT_29),
            _ => None,
        }
    }
}

const LABELS_V1: Labels = Labels {
    key: b"quic key",
    iv: b"quic iv",
    header: b"quic hp",
};

const LABELS_V2: Labels = Labels {
    key: b"quicv2 key",
    iv: b"quicv2 iv",
    header: b"quicv2 hp",
};

/// RFC 9001, and draft-ietf-quic-tls-33 and -34.
const V1: Protection = Protection {
    salt: hex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    labels: &LABELS_V1,
    retry: Some(RetryKey {
        key: hex("be0c690b9f66575a1d766b54e368c84e"),
        nonce: hex("461599d35d632bf2239825bb"),
    }),
};

/// RFC 9369.
const V2: Protection = Protection {
    salt: hex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
    labels: &LABELS_V2,
    retry: Some(RetryKey {
        key: hex("8fb4b01b56ac48e260fbcbcead7ccc92"),
        nonce: hex("d86969bc2d7c6d9990efb04a"),
    }),
};

/// draft-ietf-quic-v2-01 to -07.
const V2_DRAFT: Protection = Protection {
    salt: hex("a707c203a59b47184a1d62ca570406ea7ae3e5d3"),
    labels: &LABELS_V2,
    retry: Some(RetryKey {
        key: hex("ba858dc7b43de5dbf87617ff4ab253db"),
        nonce: hex("141b99c239b03e785d6a2e9f"),
    }),
};

/// draft-ietf-quic-tls-22.
const DRAFT_22: Protection = Protection {
    salt: hex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a"),
    labels: &LABELS_V1,
    retry: None,
};

/// draft-ietf-quic-tls-23 and -24.
const DRAFT_23: Protection = Protection {
    salt: hex("c3eef712c72ebb5a11a7d2432bb46365bef9f502"),
    labels: &LABELS_V1,
    retry: None,
};

/// draft-ietf-quic-tls-25 to -28: the salt of -23.
const DRAFT_25: Protection = Protection {
    salt: DRAFT_23.salt,
    labels: &LABELS_V1,
    retry: Some(RetryKey {
        key: hex("4d32ecdb2a2133c841e4043df27d4430"),
        nonce: hex("4d1611d05513a552c587d575"),
    }),
};

/// draft-ietf-quic-tls-29 to -32.
const DRAFT_29: Protection = Protection {
    salt: hex("afbfec289993d24c9e9786f19c6111e04390a899"),
    labels: &LABELS_V1,
    retry: Some(RetryKey {
        key: hex("ccce187ed09a09d05728155a6cb96be1"),
        nonce: hex("e54930f97f2136f0530a8c1c"),
    }),
};

/// The bytes of `N` pairs of hexadecimal digits.
pub(super) const fn hex<const N: usize>(text: &str) -> [u8; N] {
    assert!(text.len() == 2 * N, "two digits a byte");
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        let (upper, lower) = (text.as_bytes()[2 * at], text.as_bytes()[2 * at + 1]);
        bytes[at] = digit(upper) << 4 | digit(lower);
        at += 1;
    }
    bytes
}

const fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        b'a'..=b'f' => character - b'a' + 10,
        _ => panic!("no hexadecimal digit"),
    }
}
