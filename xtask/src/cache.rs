//! A cache of downloaded and built tools, shared by all clones and outside git.
//!
//! An entry is prepared in a directory beside its final path and renamed to it when it is complete. The process that
//! holds the entry's lock owns that directory; the kernel releases the lock when the process ends, however it ends.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use evenkeel_report::terminal;

/// The cache: `$EVENKEEL_CACHE`, else `evenkeel` in the user's cache.
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Finds the directory; it need not exist.
    ///
    /// # Errors
    /// When the environment has no home directory.
    pub fn find() -> Result<Self> {
        let set = |name: &str| {
            env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let root = match (set("EVENKEEL_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
            (Some(root), ..) => root,
            (None, Some(user), _) => user.join("evenkeel"),
            (None, None, Some(home)) => home.join(".cache/evenkeel"),
            (None, None, None) => {
                anyhow::bail!("no place to keep an Envoy: set EVENKEEL_CACHE or HOME")
            }
        };
        Ok(Self {
            root: std::path::absolute(root)?,
        })
    }

    /// Returns `name/file` of the cache. If there is no entry `name`, `prepare` creates its files in an empty
    /// directory.
    ///
    /// # Errors
    /// When `prepare` fails, which leaves no entry; or when the cache cannot be written.
    pub fn provide(
        &self,
        name: &str,
        file: &str,
        prepare: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let place = self.root.join(name);
        let path = place.join(file);
        if path.is_file() {
            return Ok(path);
        }
        let unwritable = || {
            format!(
                "cannot write {} (EVENKEEL_CACHE names another)",
                self.root.display()
            )
        };
        fs::create_dir_all(&self.root).with_context(unwritable)?;
        let _lock = self.lock(name).with_context(unwritable)?;
        // Another process may have created it in the meantime.
        if path.is_file() {
            return Ok(path);
        }
        let room = self.root.join(format!("{name}.unfinished"));
        remove(&room).with_context(unwritable)?;
        fs::create_dir(&room).with_context(unwritable)?;
        let prepared = prepare(&room);
        if prepared.is_ok() {
            remove(&place).with_context(unwritable)?;
            fs::rename(&room, &place).with_context(unwritable)?;
        } else {
            remove(&room).with_context(unwritable)?;
        }
        prepared.map(|()| path)
    }

    fn lock(&self, name: &str) -> Result<File> {
        let lock = File::create(self.root.join(format!("{name}.lock")))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                terminal::note(&format!("Waiting for another process that prepares {name}"));
                lock.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(lock)
    }
}

fn remove(directory: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache {
            root: root.path().join("cache"),
        };
        (root, cache)
    }

    fn write(text: &str) -> impl FnOnce(&Path) -> Result<()> {
        move |room| Ok(fs::write(room.join("file"), text)?)
    }

    #[test]
    fn cached_entries_are_reused() {
        let (_root, cache) = cache();
        let first = cache.provide("thing", "file", write("first")).unwrap();
        let second = cache.provide("thing", "file", write("second")).unwrap();
        assert_eq!(first, second);
        assert_eq!(fs::read_to_string(second).unwrap(), "first");
    }

    #[test]
    fn failure_leaves_nothing_behind_and_the_next_try_works() {
        let (_root, cache) = cache();
        let failed = cache.provide("thing", "file", |room| {
            fs::write(room.join("file"), "half")?;
            anyhow::bail!("the network is gone")
        });
        assert_eq!(failed.unwrap_err().to_string(), "the network is gone");
        assert!(!cache.root.join("thing").exists());
        assert!(!cache.root.join("thing.unfinished").exists());
        let path = cache.provide("thing", "file", write("whole")).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "whole");
    }

    #[test]
    fn leftovers_of_an_interrupted_run_are_ignored() {
        let (_root, cache) = cache();
        let room = cache.root.join("thing.unfinished");
        fs::create_dir_all(&room).unwrap();
        fs::write(room.join("rubbish"), "").unwrap();
        let path = cache.provide("thing", "file", write("whole")).unwrap();
        assert!(path.is_file());
        assert!(!cache.root.join("thing/rubbish").exists());
    }

    #[test]
    fn concurrent_callers_prepare_once() {
        let (_root, cache) = cache();
        let made = AtomicU32::new(0);
        let together = Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    together.wait();
                    let path = cache.provide("thing", "file", |room| {
                        made.fetch_add(1, Ordering::Relaxed);
                        write("whole")(room)
                    });
                    assert_eq!(fs::read_to_string(path.unwrap()).unwrap(), "whole");
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
