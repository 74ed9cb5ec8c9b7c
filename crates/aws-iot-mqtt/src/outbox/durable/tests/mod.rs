//! What the store promises, on a disk that fails.

mod crashing;
mod damaged;
mod device;
mod disk;
mod promises;
