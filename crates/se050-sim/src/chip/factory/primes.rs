//! Looking for large primes: what a new chip takes its time for.
//!
//! The `rsa` crate's own search takes three times as long, which is seconds for RSA-4096. It tries a number at random
//! each time; this one goes on from a random number, so that most candidates fall to a sieve.

use rsa::BigUint;
use rsa::rand_core::{OsRng, RngCore as _};

/// Candidates with a factor below this one are not looked at any closer.
const SIEVE: u32 = 1 << 13;

/// How far to go on from one start: a stretch that holds a prime nearly always.
const STRETCH: u32 = 1 << 15;

/// A prime of that many bytes, its two upper bits set: the product of two has twice the length exactly.
pub(super) fn prime(bytes: usize) -> BigUint {
    let sieve = sieve();
    loop {
        let start = random_odd(bytes);
        let remainders: Vec<_> = sieve.iter().map(|prime| (*prime, remainder(&start, *prime))).collect();
        let start = BigUint::from_bytes_be(&start);
        let survives = |step: &u32| {
            remainders.iter().all(|(prime, remainder)| !(remainder + step).is_multiple_of(*prime))
        };
        let mut candidates =
            (0..STRETCH).step_by(2).filter(survives).map(|step| &start + BigUint::from(step));
        if let Some(prime) = candidates.find(is_prime) {
            return prime;
        }
    }
}

fn random_odd(bytes: usize) -> Vec<u8> {
    let mut number = vec![0; bytes];
    OsRng.fill_bytes(&mut number);
    if let Some(first) = number.first_mut() {
        *first |= 0b1100_0000;
    }
    if let Some(last) = number.last_mut() {
        *last |= 1;
    }
    number
}

/// The odd primes below [`SIEVE`].
fn sieve() -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::new();
    for number in (3..SIEVE).step_by(2) {
        if primes
            .iter()
            .take_while(|prime| *prime * *prime <= number)
            .all(|prime| !number.is_multiple_of(*prime))
        {
            primes.push(number);
        }
    }
    primes
}

fn remainder(number: &[u8], prime: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime)
}

/// Miller and Rabin's test. For random numbers of this size, few bases leave no doubt that matters here.
fn is_prime(number: &BigUint) -> bool {
    let one = BigUint::from(1_u32);
    let less_one = number - &one;
    let twos = less_one.trailing_zeros().unwrap_or_default();
    let odd = &less_one >> twos;
    [2_u32, 3, 5, 7, 11].into_iter().all(|base| {
        let mut power = BigUint::from(base).modpow(&odd, number);
        if power == one || power == less_one {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % number;
            power == less_one
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_told_from_composites() {
        // The Mersenne prime 2^521 - 1, its neighbours, and a number that fools Fermat's test (a Carmichael number).
        let mersenne = (BigUint::from(1_u32) << 521) - BigUint::from(1_u32);
        assert!(is_prime(&mersenne));
        assert!(!is_prime(&(&mersenne - BigUint::from(2_u32))));
        assert!(!is_prime(&BigUint::from(825_265_u32)));
        let found = prime(64);
        assert!(is_prime(&found) && found.bits() == 512);
        assert_eq!(sieve()[..5], [3, 5, 7, 11, 13]);
    }
}
