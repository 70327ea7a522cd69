//! The spin bit (RFC 9000 section 17.4).

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use netweir_wire::{
    map::{QuicEventKind, SpinSums},
    packet::quic::SPIN_BIT,
    stand_in,
};

use super::{Look, Payload};
use crate::setting::setting;

impl<P: Payload> Look<'_, P> {
    /// Times the turns of the spin bit, and tells of them now and then. The datagrams of a frame are
    /// sent at once: the last one has the word.
    #[inline(always)]
    pub(super) fn spin(&mut self) {
        let bit = u32::from(self.work.found.last & u32::from(SPIN_BIT) != 0);
        let place = &mut *self.place;
        place.spin.packets = place.spin.packets.wrapping_add(self.work.found.short);
        if place.spin_bit == bit {
            return;
        }
        let is_first = place.spin_bit > 1;
        place.spin_bit = bit;
        if is_first {
            return;
        }
        // SAFETY: the helper takes no arguments.
        let now_ns = unsafe { bpf_ktime_get_ns() };
        let since_ns = now_ns.wrapping_sub(place.turned_ns);
        if place.turned_ns != 0 {
            add_turn(&mut place.spin, since_ns);
        }
        place.turned_ns = now_ns;
        let pause = setting::<{ stand_in::QUIC_PAUSE }>();
        if place.spin.turns != 0 && self.work.now.wrapping_sub(place.spin_tick) >= pause {
            place.spin_tick = self.work.now;
            self.work.event.spin = place.spin;
            if self.tell_now_and_then(QuicEventKind::Spin).is_ok() {
                self.place.spin = SpinSums::default();
            }
        }
    }
}

#[inline(always)]
fn add_turn(spin: &mut SpinSums, since_ns: u64) {
    if spin.turns == 0 || since_ns < spin.min_ns {
        spin.min_ns = since_ns;
    }
    spin.max_ns = spin.max_ns.max(since_ns);
    spin.sum_ns = spin.sum_ns.wrapping_add(since_ns);
    spin.turns = spin.turns.wrapping_add(1);
}
