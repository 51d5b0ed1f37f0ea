//! [`KeyMap`]: a map by keys that the engine makes, and so no peer can choose.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are the engine's.
pub(crate) type KeyMap<K, V> = HashMap<K, V, BuildHasherDefault<KeyHasher>>;

/// Multiplies and rotates: keys are small numbers, and nobody makes them collide.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

/// An odd number whose bits look random: that of the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl KeyHasher {
    fn add(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(SPREAD);
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.add((*octet).into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.add(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_isize(&mut self, number: isize) {
        self.add(u64::from_ne_bytes((number as i64).to_ne_bytes()));
    }

    fn finish(&self) -> u64 {
        // A map looks at the lowest bits and the highest ones.
        self.0 ^ (self.0 >> 32)
    }
}
