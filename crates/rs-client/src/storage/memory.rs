//! Local copies in memory.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Storage, Stored, Version};

/// Keeps state in memory, for as long as the program runs.
#[derive(Debug, Default)]
pub struct MemoryStorage(Mutex<HashMap<String, Stored>>);

impl MemoryStorage {
    /// Creates an empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, Stored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn load(&self, key: &str) -> io::Result<Option<Stored>> {
        Ok(self.states().get(key).cloned())
    }

    async fn version(&self, key: &str) -> io::Result<Option<Version>> {
        Ok(self.states().get(key).map(|stored| stored.version.clone()))
    }

    async fn commit(
        &self,
        key: &str,
        state: Bytes,
        expected: Option<&Version>,
    ) -> io::Result<Option<Version>> {
        let version = Version::of(&state);
        let mut states = self.states();
        if states.get(key).map(|stored| &stored.version) != expected {
            return Ok(None);
        }
        states.insert(key.to_owned(), Stored::new(state, version.clone()));
        Ok(Some(version))
    }

    async fn remove(&self, key: &str) -> io::Result<()> {
        self.states().remove(key);
        Ok(())
    }
}
