//! Argon2id in memory that hashes take from one another as long as more are expected, and that goes back to the system
//! after.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{CustomizedPasswordHasher, Error, Result};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// The largest allocation that glibc may keep when it is freed (mallopt(3), `M_MMAP_THRESHOLD`). A hash takes less, and
/// every thread that has computed some would keep the memory of several: hundreds of megabytes after a login storm.
const KEPT_WHEN_FREED: usize = 32 * 1024 * 1024;

/// Computes what [`Argon2`] computes. Clones share their memory.
#[derive(Clone, Default)]
pub(super) struct Argon2id {
    memory: Arc<Mutex<Memory>>,
}

/// What one hash leaves for the next: a third of its time goes by until the system has handed out new memory.
#[derive(Default)]
struct Memory {
    hashes_expected: usize,
    free: Vec<Vec<Block>>,
}

/// A hash that waits or is under way: while there is one, memory is kept.
pub(super) struct Expected(Arc<Mutex<Memory>>);

/// Memory of a hash that is under way.
struct Lease<'a> {
    memory: &'a Mutex<Memory>,
    blocks: Vec<Block>,
}

impl Argon2id {
    /// Announces a hash, before it waits for its turn and until it has ended.
    pub(super) fn expect_hash(&self) -> Expected {
        lock(&self.memory).hashes_expected += 1;
        Expected(Arc::clone(&self.memory))
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut memory = lock(&self.0);
        memory.hashes_expected -= 1;
        if memory.hashes_expected == 0 {
            memory.free.clear();
        }
    }
}

impl CustomizedPasswordHasher<PasswordHash> for Argon2id {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> Result<PasswordHash> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..length).ok_or(Error::OutputSize)?;
        let mut lease = Lease::new(&self.memory, params.block_count());
        let argon2 = Argon2::new(algorithm, version, params.clone());
        argon2.hash_password_into_with_memory(password, salt, output, &mut lease.blocks)?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(output)?),
        })
    }
}

impl<'a> Lease<'a> {
    fn new(memory: &'a Mutex<Memory>, blocks: usize) -> Self {
        let left = lock(memory).free.pop();
        // Reserves more than glibc keeps. What is reserved and not written takes addresses, not memory.
        let reserved = blocks.max(KEPT_WHEN_FREED / Block::SIZE + 1);
        let mut lease = Self {
            memory,
            blocks: left.unwrap_or_else(|| Vec::with_capacity(reserved)),
        };
        lease.blocks.resize(blocks, Block::default());
        lease
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut memory = lock(self.memory);
        if memory.hashes_expected > 0 {
            memory.free.push(mem::take(&mut self.blocks));
        }
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without the memory, which tells about passwords.
impl fmt::Debug for Argon2id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2id").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    const SALT: &[u8] = b"0123456789abcdef";

    #[test]
    fn it_computes_what_the_library_computes() {
        let params = Params::new(256, 3, 2, None).unwrap();
        let library = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let expected = library.hash_password_with_salt(b"password", SALT).unwrap();
        let argon2id = Argon2id::default();
        // In memory that a larger and a smaller hash have written to.
        let _expected = argon2id.expect_hash();
        for memory_kib in [512, 64] {
            let params = Params::new(memory_kib, 1, 1, None).unwrap();
            argon2id.hash_password_with_params(b"another", SALT, params).unwrap();
        }
        let hash = argon2id.hash_password_with_params(b"password", SALT, params);
        assert_eq!(hash, Ok(expected.clone()));
        assert_eq!(argon2id.verify_password(b"password", &expected), Ok(()));
        assert!(argon2id.verify_password(b"passwore", &expected).is_err());
        assert_eq!(lock(&argon2id.memory).free.len(), 1);
    }

    #[test]
    fn memory_is_kept_while_another_hash_waits_and_no_longer() {
        let argon2id = Argon2id::default();
        let memory = &argon2id.memory;
        let free = || lock(memory).free.len();
        drop(Lease::new(memory, 8));
        assert_eq!(free(), 0, "none was announced");
        let (first, second) = (argon2id.expect_hash(), argon2id.expect_hash());
        drop(Lease::new(memory, 8));
        drop(first);
        assert_eq!(free(), 1, "the second waits for it");
        let lease = Lease::new(memory, 16);
        assert_eq!((lease.blocks.len(), free()), (16, 0), "the second has it");
        drop(lease);
        drop(second);
        assert_eq!(free(), 0, "nobody waits");
    }
}
