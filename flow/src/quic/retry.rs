//! Whether a Retry was made by somebody who saw the client's Initial (RFC 9001 section 5.8).

use super::version::Protection;
use aes_gcm::{Aes128Gcm, KeyInit, aead::AeadInOut};
use netweir_wire::packet::quic::{Body, LongView, RETRY_TAG_BYTES};

/// Whether the integrity tag of a Retry is right for the destination connection ID of the client's
/// first Initial.
///
/// The key of the tag is public: a right tag says that the Retry answers that Initial and was not
/// damaged, not that the server sent it. `None` where the packet is no Retry, or its version has no
/// such tag, or one that is not known.
pub fn verify_retry(packet: &LongView<'_>, original_dcid: &[u8]) -> Option<bool> {
    let Body::Retry { tag, .. } = packet.body else {
        return None;
    };
    let retry = Protection::of(packet.header.version)?.retry.as_ref()?;
    let (without_tag, _) = packet.bytes.split_at_checked(tag.offset)?;
    let tag = tag.of(packet.bytes).first_chunk::<RETRY_TAG_BYTES>()?;
    let Ok(length) = u8::try_from(original_dcid.len()) else {
        return Some(false);
    };
    // The Retry pseudo-packet (RFC 9001, figure 8).
    let pseudo_packet = [&[length], original_dcid, without_tag].concat();
    let opened = Aes128Gcm::new(&retry.key.into()).decrypt_inout_detached(
        &retry.nonce.into(),
        &pseudo_packet,
        [].as_mut_slice().into(),
        &(*tag).into(),
    );
    Some(opened.is_ok())
}
