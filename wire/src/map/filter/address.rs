//! Addresses as numbers.

/// The 16 bytes of an address as two numbers that have the same bytes in memory.
#[inline(always)]
pub const fn words(address: [u8; 16]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address;
    [
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
    ]
}

/// Whether an address is IPv4 as v4-mapped (RFC 4291 section 2.5.5.2).
#[inline(always)]
pub(in crate::map) const fn is_mapped(address: [u64; 2]) -> bool {
    const PREFIX: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    const MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    (address[0] | ((address[1] & MASK) ^ PREFIX)) == 0
}
