//! Computes Argon2id with the server's parameters and prints the processor time of one.
//!
//!     bare-argon2 kept|new SECONDS
//!
//! `kept` uses the same memory for each, as the server does while hashes overlap; `new` asks the system for memory each
//! time, as it does when one follows another.

use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Ticks of /proc a second: USER_HZ, 100 on every architecture that Linux has.
const TICKS_PER_SECOND: f64 = 100.0;
/// The parameters of the server (src/config/options.rs).
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
/// More than glibc keeps when it is freed (32 MiB), as the server reserves (src/auth/argon2id.rs).
const NEVER_KEPT: usize = 33 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [memory, seconds] = arguments.as_slice() else {
        return Err("usage: bare-argon2 kept|new SECONDS".into());
    };
    let is_kept = memory == "kept";
    let end = Instant::now() + Duration::try_from_secs_f64(seconds.parse()?)?;
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, None).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut blocks = Vec::new();
    let (mut hashes, before) = (0_u32, cpu_seconds()?);
    while Instant::now() < end {
        if !is_kept {
            blocks = Vec::with_capacity(NEVER_KEPT);
        }
        blocks.resize(params.block_count(), Block::default());
        let mut output = [0; 32];
        argon2
            .hash_password_into_with_memory(b"correct horse battery", b"0123456789abcdef", &mut output, &mut blocks)
            .map_err(|error| error.to_string())?;
        black_box(output);
        hashes += 1;
    }
    let used = cpu_seconds()? - before;
    println!("{{\"hashes\":{hashes},\"cpu_us\":{}}}", used / f64::from(hashes) * 1e6);
    Ok(())
}

/// User and system time of this process: fields 14 and 15 of proc(5), counted from the bracket after the name.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / TICKS_PER_SECOND)
}
