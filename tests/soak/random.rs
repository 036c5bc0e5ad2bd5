//! Random choices that a seed decides.

/// SplitMix64 (Steele, Lea and Flood, 2014): the same choices for the same seed on every machine and in every release.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Choices of their own for each `part` of a run, so that one part's do not depend on how many another makes.
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        let mut random = Self(seed);
        Self(random.next() ^ part.wrapping_mul(0xA24B_AED4_963E_E407))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `from` up to but not including `to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.next() % length as u64).unwrap()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}
