//! Which member of a queue group is asked first: a small generator seeded per connection, not a secret.

/// xorshift64*: three shifts and a multiplication a number.
#[derive(Clone, Debug)]
pub struct Picker(u64);

impl Picker {
    /// Any seed will do.
    pub fn new(seed: u64) -> Self {
        Picker(seed | 1)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`, which is not zero. The bias of the multiplication is below 2⁻³² for real group sizes.
    pub fn below(&mut self, bound: usize) -> usize {
        let high = u128::from(self.next_u64()) * bound as u128 >> 64;
        usize::try_from(high).expect("the high half is below the bound")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_is_asked_first_about_equally_often() {
        let mut picker = Picker::new(42);
        let mut counts = [0_u32; 7];
        (0..70_000).for_each(|_| counts[picker.below(7)] += 1);
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
    }
}
