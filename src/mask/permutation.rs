//! A keyed permutation of exactly 0..n, free of fixed points.
//!
//! P is an alternating Feistel network over two halves of `rows * columns >= n` values, walked until the image lies
//! below n. What is given away is y = P'(P(x) + k), with P' the inverse of P and k coprime to n: a single cycle
//! through all n values. So nothing is its own image, and neither is it when the walk goes on until the image lies
//! in a subset that x belongs to: the walk is a bijection of that subset, without fixed points unless it has one
//! element only.

use super::key::{Subkey, Work};

/// Largest domain that is permuted; values of larger ones go through a keyed hash, where collisions are negligible.
pub(super) const DOMAIN_MAX: u128 = 1 << 120;
/// Feistel rounds of P; a value passes P and its inverse.
const ROUNDS: u8 = 8;

/// See the module. `tweak` gives independent permutations under one subkey.
#[derive(Clone, Copy)]
pub(super) struct Permutation {
    n: u128,
    rows: u64,
    columns: u64,
    step: u128,
    tweak: u64,
}

impl Permutation {
    /// The permutation of 0..n (1 <= n <= [`DOMAIN_MAX`]); the low 56 bits of `tweak` count.
    pub(super) fn new(subkey: &Subkey, tweak: u64, n: u128) -> Permutation {
        debug_assert!((1..=DOMAIN_MAX).contains(&n));
        let root = n.isqrt();
        let rows = if root * root == n { root } else { root + 1 };
        let columns = n.div_ceil(rows);
        let mut permutation = Permutation { n, rows: rows as u64, columns: columns as u64, step: 0, tweak };
        permutation.step = permutation.coprime_step(subkey.work(Draw(&permutation)));
        permutation
    }

    /// The image of x < n: the first accepted value behind x on the cycle. When only x itself would be accepted, or
    /// nothing within a long walk, x stays.
    pub(super) fn walk(&self, subkey: &Subkey, x: u128, accept: impl FnMut(u128) -> bool) -> u128 {
        self.steps(subkey, x, self.step, accept)
    }

    /// The way back of [`Permutation::walk`], for the same `accept`.
    #[cfg(test)]
    pub(super) fn back(&self, subkey: &Subkey, y: u128, accept: impl FnMut(u128) -> bool) -> u128 {
        self.steps(subkey, y, self.n - self.step, accept)
    }

    fn steps(&self, subkey: &Subkey, x: u128, step: u128, accept: impl FnMut(u128) -> bool) -> u128 {
        if self.n < 2 {
            return x;
        }
        subkey.work(Walk { permutation: self, x, step, accept })
    }

    fn forth(&self, encrypt: &impl Cipher, x: u128) -> u128 {
        let mut x = x;
        loop {
            let mut row = (x / u128::from(self.columns)) as u64;
            let mut column = (x % u128::from(self.columns)) as u64;
            for round in 0..ROUNDS {
                if round % 2 == 0 {
                    row = add(row, self.round(encrypt, round, column, self.rows), self.rows);
                } else {
                    column = add(column, self.round(encrypt, round, row, self.columns), self.columns);
                }
            }
            x = u128::from(row) * u128::from(self.columns) + u128::from(column);
            if x < self.n {
                return x;
            }
        }
    }

    fn inverse(&self, encrypt: &impl Cipher, y: u128) -> u128 {
        let mut y = y;
        loop {
            let mut row = (y / u128::from(self.columns)) as u64;
            let mut column = (y % u128::from(self.columns)) as u64;
            for round in (0..ROUNDS).rev() {
                if round % 2 == 0 {
                    let minus = self.rows - self.round(encrypt, round, column, self.rows);
                    row = add(row, minus, self.rows);
                } else {
                    let minus = self.columns - self.round(encrypt, round, row, self.columns);
                    column = add(column, minus, self.columns);
                }
            }
            y = u128::from(row) * u128::from(self.columns) + u128::from(column);
            if y < self.n {
                return y;
            }
        }
    }

    /// A keyed number below `bound` that belongs to the other half.
    fn round(&self, encrypt: &impl Cipher, round: u8, half: u64, bound: u64) -> u64 {
        let block = encrypt(self.block(round, half));
        let mut word = [0; 8];
        word.copy_from_slice(&block[..8]);
        ((u128::from(u64::from_le_bytes(word)) * u128::from(bound)) >> 64) as u64
    }

    fn block(&self, round: u8, half: u64) -> [u8; 16] {
        let mut block = [0; 16];
        block[..8].copy_from_slice(&half.to_le_bytes());
        block[8..].copy_from_slice(&(self.tweak << 8 | u64::from(round)).to_le_bytes());
        block
    }

    fn coprime_step(&self, drawn: u128) -> u128 {
        if self.n < 2 {
            return 0;
        }
        let mut step = drawn % (self.n - 1) + 1;
        while coprime(step, self.n).is_none() {
            step = step % (self.n - 1) + 1;
        }
        step
    }
}

/// One block, encrypted.
trait Cipher: Fn([u8; 16]) -> [u8; 16] {}
impl<F: Fn([u8; 16]) -> [u8; 16]> Cipher for F {}

/// The number that the step is made of.
struct Draw<'a>(&'a Permutation);

impl Work for Draw<'_> {
    fn run(self, encrypt: impl Fn([u8; 16]) -> [u8; 16]) -> u128 {
        u128::from_le_bytes(encrypt(self.0.block(u8::MAX, self.0.rows)))
    }
}

struct Walk<'a, A> {
    permutation: &'a Permutation,
    x: u128,
    step: u128,
    accept: A,
}

impl<A: FnMut(u128) -> bool> Work for Walk<'_, A> {
    fn run(mut self, encrypt: impl Fn([u8; 16]) -> [u8; 16]) -> u128 {
        /// Walks end sooner by far: the rarest class asked for is one in a hundred.
        const WALK_MAX: usize = 1 << 16;
        let n = self.permutation.n;
        let mut position = self.permutation.forth(&encrypt, self.x);
        for _ in 0..WALK_MAX {
            position += self.step;
            if position >= n {
                position -= n;
            }
            let y = self.permutation.inverse(&encrypt, position);
            if y == self.x || (self.accept)(y) {
                return y;
            }
        }
        self.x
    }
}

fn add(a: u64, b: u64, modulus: u64) -> u64 {
    // Both halves are below 2^61, so the sum does not overflow.
    let sum = a + b;
    if sum >= modulus { sum - modulus } else { sum }
}

/// Some, when a and b share no divisor (binary gcd).
fn coprime(mut a: u128, mut b: u128) -> Option<()> {
    if (a | b) & 1 == 0 {
        return None;
    }
    a >>= a.trailing_zeros();
    while b != 0 {
        b >>= b.trailing_zeros();
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        b -= a;
    }
    (a == 1).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::Key;
    use proptest::prelude::*;

    fn subkey(seed: u8) -> Subkey {
        Key::from_bytes([seed; 32]).subkey("test")
    }

    #[test]
    fn small_domains_are_permuted_without_fixed_points() {
        let subkey = subkey(1);
        for n in 2..2000u128 {
            let permutation = Permutation::new(&subkey, 7, n);
            let mut seen = vec![false; n as usize];
            for x in 0..n {
                let y = permutation.walk(&subkey, x, |_| true);
                assert!(y < n && y != x, "{x} of {n}");
                assert!(!std::mem::replace(&mut seen[y as usize], true));
                assert_eq!(permutation.back(&subkey, y, |_| true), x);
            }
        }
    }

    #[test]
    fn a_subset_is_permuted_within_itself_without_fixed_points() {
        let subkey = subkey(2);
        let permutation = Permutation::new(&subkey, 0, 1000);
        let odd_ones = |x: u128| x % 7 == 3;
        let mut images: Vec<_> = (0..1000)
            .filter(|&x| odd_ones(x))
            .map(|x| {
                let y = permutation.walk(&subkey, x, odd_ones);
                assert!(y != x && odd_ones(y));
                y
            })
            .collect();
        let count = images.len();
        images.sort_unstable();
        images.dedup();
        assert_eq!(images.len(), count);
    }

    #[test]
    fn keys_and_tweaks_give_other_permutations() {
        let (a, b) = (subkey(1), subkey(2));
        let images = |subkey: &Subkey, tweak| -> Vec<u128> {
            let permutation = Permutation::new(subkey, tweak, 1000);
            (0..1000).map(|x| permutation.walk(subkey, x, |_| true)).collect()
        };
        assert_ne!(images(&a, 0), images(&b, 0));
        assert_ne!(images(&a, 0), images(&a, 1));
    }

    #[test]
    fn one_value_stays() {
        let subkey = subkey(1);
        assert_eq!(Permutation::new(&subkey, 0, 1).walk(&subkey, 0, |_| true), 0);
    }

    proptest! {
        #[test]
        fn large_domains_have_a_way_back(n in 2..=DOMAIN_MAX, at in any::<u128>()) {
            let subkey = subkey(3);
            let permutation = Permutation::new(&subkey, 5, n);
            let x = at % n;
            let y = permutation.walk(&subkey, x, |_| true);
            prop_assert!(y < n && y != x);
            prop_assert_eq!(permutation.back(&subkey, y, |_| true), x);
        }
    }
}
