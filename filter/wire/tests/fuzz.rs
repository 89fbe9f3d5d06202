//! The short run of the fuzz targets: their bodies, on seeds and on mutations of them that are the same in each run.
//! `cargo xtask fuzz` is the long one.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

/// How many mutations of the seeds each target gets.
const RUNS: u64 = 3000;

/// SplitMix64: small, and the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// Joins, truncates, repeats and changes seeds.
    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        for _ in 0..self.below(6) {
            let at = self.below(data.len());
            let byte = self.next().to_le_bytes()[0];
            match self.below(5) {
                0 if !data.is_empty() => data[at] = byte,
                1 if !data.is_empty() => data[at] ^= 1 << (byte & 7),
                2 => data.truncate(at),
                3 => data.insert(at, byte),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    data.extend(&other[self.below(other.len())..]);
                }
            }
        }
        data
    }
}

#[test]
fn targets_accept_seeds_and_mutations_of_them() {
    for seed in targets::seeds::SEEDS {
        println!("{}", seed.target);
        let seeds: Vec<Vec<u8>> = seed.inputs().collect();
        seeds
            .iter()
            .for_each(|data| targets::run(seed.target, data));
        let mut random = Random(7);
        for _ in 0..RUNS {
            targets::run(seed.target, &random.mutate(&seeds));
        }
    }
}
