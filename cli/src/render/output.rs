//! Where rendered text goes: to stdout, or into a directory that `kubectl apply -k` takes.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Writes one file's text to stdout, or all files into a directory.
///
/// # Errors
/// When the directory cannot be made or written.
pub fn write(directory: Option<&Path>, main: &str, files: &[(&str, String)]) -> Result<()> {
    let Some(directory) = directory else {
        // Whoever closed the other end wanted no more.
        for (_, text) in files.iter().filter(|(name, _)| *name == main) {
            let _ = io::stdout().write_all(text.as_bytes());
        }
        return Ok(());
    };
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
