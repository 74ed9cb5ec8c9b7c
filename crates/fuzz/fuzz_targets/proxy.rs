//! libFuzzer calls the function of that name.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::proxy(bytes));
