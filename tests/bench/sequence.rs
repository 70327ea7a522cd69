//! Which flow each packet of a sequence belongs to.

/// As many flows as packets, in no order.
pub(crate) fn distinct(packets: u32) -> Vec<u32> {
    (0..packets).map(scattered).collect()
}

/// Packets of flows some of which have far more than others: the share of the flow of rank `n` goes
/// with `1 / n^exponent` (Zipf).
pub(crate) fn zipf(packets: u32, flows: u32, exponent: f64) -> Vec<u32> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=flows)
        .map(|rank| {
            sum += f64::from(rank).powf(-exponent);
            sum
        })
        .collect();
    let mut random = Random(1);
    let draw = |_| {
        let place = random.fraction() * sum;
        let rank = sums.partition_point(|&sum| sum < place);
        scattered(rank as u32)
    };
    (0..packets).map(draw).collect()
}

/// Another number for each number, by the last steps of MurmurHash3: each of them can be undone.
pub(crate) const fn scattered(number: u32) -> u32 {
    let mut number = number.wrapping_add(1);
    number ^= number >> 16;
    number = number.wrapping_mul(0x85eb_ca6b);
    number ^= number >> 13;
    number = number.wrapping_mul(0xc2b2_ae35);
    number ^ (number >> 16)
}

/// Numbers that are the same in every run: xorshift64*.
struct Random(u64);

impl Random {
    /// From 0 up to, but without, 1.
    fn fraction(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        (number >> 11) as f64 / (1_u64 << 53) as f64
    }
}
