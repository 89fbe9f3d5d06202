//! Hashes connection ids. Envoy numbers connections itself, so nobody can choose ids that collide; and what
//! is added up over a map comes out the same in every process.

use core::hash::{BuildHasherDefault, Hasher};

use crate::mix;

/// Makes an [`IdHasher`].
pub(crate) type ById = BuildHasherDefault<IdHasher>;

/// Mixes one number.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(self.0 ^ number);
    }
}
