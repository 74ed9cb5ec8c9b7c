//! Seeds of the fuzz targets, and altered ones.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Calls `target` with each seed of that name in `crates/fuzz/corpus`, with pieces of them, and with altered ones: some hundred, or for a
/// minute where `ABUSE` is set. What made it panic is printed.
pub fn fuzz(name: &str, target: impl Fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut seeds: Vec<Vec<u8>> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(seeds.len() >= 2, "{name} has {} seeds", seeds.len());
    seeds.sort();
    let mut calls = 0_u64;
    let mut call = |bytes: &[u8]| {
        calls += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(bytes))) {
            eprintln!("{name}: b\"{}\"", bytes.escape_ascii());
            resume_unwind(panic);
        }
    };
    for seed in &seeds {
        call(seed);
        let step = 1 + seed.len() / 32;
        (0..seed.len()).step_by(step).for_each(|length| call(&seed[..length]));
    }
    let long = std::env::var_os("ABUSE").is_some();
    let until = Instant::now() + Duration::from_secs(60);
    let mut random = Random(7);
    for round in 0.. {
        if if long { Instant::now() > until } else { round == 300 } {
            break;
        }
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            alter(&mut bytes, &seeds, &mut random);
        }
        call(&bytes);
    }
    println!("figure: {name}: {calls} inputs, no panic");
}

/// Random numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

fn alter(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(16)).min(bytes.len());
    let byte = |random: &mut Random| u8::try_from(random.below(256)).unwrap();
    match random.below(7) {
        0 => bytes[at..end].fill(byte(random)),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, byte(random)),
        4 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        // Lengths and counts.
        5 if at < bytes.len() => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF, b'0', b'-', b'"'][random.below(8)],
        _ => {
            // A piece of another seed.
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            let piece = &other[from..(from + random.below(64)).min(other.len())];
            bytes.splice(at..end, piece.iter().copied());
        }
    }
}
