//! What is said to somebody whose frames may not cross.

use std::sync::{PoisonError, RwLock};

use netweir_flow::{InlineAccounting, InlineLoss, Meter};

/// Says if frames are not sent on that are too long; whether there are any.
pub(super) fn warn_of_refused(meter: &RwLock<Meter>) -> bool {
    let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
    let lines = meter.accounting().inline;
    let refused = |line: &&InlineAccounting| line.lost_to(InlineLoss::Refused) > 0;
    let Some(line) = lines.iter().find(refused) else {
        return false;
    };
    tracing::warn!(
        frames = line.lost_to(InlineLoss::Refused),
        "the kernel sends frames of {0} not on to {1}: {1} is down, or they are longer than its MTU (do their \
         senders leave it to the device to cut them? `ethtool -K END tx off` there, or `ip link set {1} mtu 65535` \
         where {1} is a veth)",
        line.name,
        line.to
    );
    true
}

/// What the other end of a veth needs.
pub(super) const fn veth_hint(is_generic: bool) -> &'static str {
    match is_generic {
        true => {
            "what is at its other end END needs `ethtool -K END tx off txvlan off`, or frames of local senders are \
             too long to cross, and tapped ones have no checksums and tags"
        }
        false => {
            "what is at its other end END needs `ethtool -K END gro on tx off txvlan off`, or frames are lost or \
             cross without checksums and tags"
        }
    }
}
