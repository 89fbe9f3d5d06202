//! A cache with one directory for each state of the inputs.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use evenkeel_test_envoy::cache_dir;

/// The file that marks a complete directory.
const COMPLETE: &str = "complete";

/// Returns `tools/NAME-HASH` of the cache, one directory for each state of `inputs`. When it is missing, `prepare` fills it in
/// place: a Python environment cannot be moved.
///
/// # Errors
/// The error of `prepare`, or that the cache cannot be written.
pub fn provide(
    name: &str,
    inputs: impl Hash,
    prepare: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    provide_in(&cache_dir()?.join("tools"), name, inputs, prepare)
}

fn provide_in(
    root: &Path,
    name: &str,
    inputs: impl Hash,
    prepare: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let unwritable = || {
        format!(
            "cannot write {} (EVENKEEL_CACHE names another)",
            root.display()
        )
    };
    let mut hasher = DefaultHasher::new();
    inputs.hash(&mut hasher);
    fs::create_dir_all(root).with_context(unwritable)?;
    let root = root.canonicalize().with_context(unwritable)?;
    let directory = root.join(format!("{name}-{:016x}", hasher.finish()));
    if directory.join(COMPLETE).is_file() {
        return Ok(directory);
    }
    let lock = File::create(directory.with_extension("lock")).with_context(unwritable)?;
    lock.lock().with_context(unwritable)?;
    // Another process may have filled it while this one waited.
    if directory.join(COMPLETE).is_file() {
        return Ok(directory);
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(unwritable)?;
    }
    fs::create_dir(&directory).with_context(unwritable)?;
    prepare(&directory)?;
    File::create(directory.join(COMPLETE)).with_context(unwritable)?;
    Ok(directory)
}

/// The content of each file below the directory, in a stable order: inputs of [`provide`].
///
/// # Errors
/// When one of them cannot be read, or is not UTF-8.
pub fn files_below(directory: &Path) -> Result<Vec<String>> {
    let mut entries: Vec<_> = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            files.extend(files_below(&entry)?);
        } else {
            files.push(fs::read_to_string(&entry)?);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(text: &str) -> impl FnOnce(&Path) -> Result<()> {
        move |directory| Ok(fs::write(directory.join("file"), text)?)
    }

    #[test]
    fn entry_is_rebuilt_only_for_other_inputs() {
        let root = tempfile::tempdir().unwrap();
        let read = |directory: PathBuf| fs::read_to_string(directory.join("file")).unwrap();
        let first = provide_in(root.path(), "thing", "1.0", write("first")).unwrap();
        let again = provide_in(root.path(), "thing", "1.0", write("second")).unwrap();
        let other = provide_in(root.path(), "thing", "1.1", write("third")).unwrap();

        assert_eq!(first, again);
        assert_eq!((read(again), read(other)), ("first".into(), "third".into()));
    }

    #[test]
    fn incomplete_entry_is_rebuilt() {
        let root = tempfile::tempdir().unwrap();
        let failed = provide_in(root.path(), "thing", 1, |directory| {
            fs::write(directory.join("half"), "")?;
            anyhow::bail!("the network is gone")
        });
        assert_eq!(failed.unwrap_err().to_string(), "the network is gone");

        let directory = provide_in(root.path(), "thing", 1, write("whole")).unwrap();

        assert!(!directory.join("half").exists());
        assert!(directory.join("file").exists());
    }
}
