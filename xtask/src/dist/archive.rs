//! Reproducible tar.gz archives: the same files give the same bytes.

use std::collections::BTreeMap;

use anyhow::Result;
use flate2::{Compression, GzBuilder};
use tar::{Builder, Header};

/// The files of an archive by path.
#[derive(Default)]
pub struct Archive(BTreeMap<String, File>);

struct File {
    content: Vec<u8>,
    mode: u32,
}

impl Archive {
    /// Adds a file.
    pub fn file(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.put(path, content, 0o644);
    }

    /// Adds an executable file.
    pub fn program(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.put(path, content, 0o755);
    }

    fn put(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>, mode: u32) {
        let content = content.into();
        self.0.insert(path.into(), File { content, mode });
    }

    /// Returns the tar file: files in the order of their paths, owned by root, modified at `time`.
    ///
    /// # Errors
    /// When a path is too long for the format.
    pub fn tar(&self, time: u64) -> Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        for (path, file) in &self.0 {
            let mut header = Header::new_ustar();
            header.set_size(file.content.len() as u64);
            header.set_mode(file.mode);
            header.set_mtime(time);
            header.set_uid(0);
            header.set_gid(0);
            tar.append_data(&mut header, path, file.content.as_slice())?;
        }
        Ok(tar.into_inner()?)
    }

    /// Returns the compressed tar file.
    ///
    /// # Errors
    /// As [`Archive::tar`].
    pub fn tar_gz(&self, time: u64) -> Result<Vec<u8>> {
        gzip(&self.tar(time)?)
    }
}

/// Compresses `bytes` without a name or a time.
///
/// # Errors
/// Never in memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    use std::io::Write;
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(paths: &[&str]) -> Vec<u8> {
        let mut archive = Archive::default();
        for path in paths {
            archive.file(*path, format!("what is in {path}"));
        }
        archive.program("bin/a", "#!");
        archive.tar_gz(1_700_000_000).unwrap()
    }

    #[test]
    fn archive_is_independent_of_insertion_order() {
        assert_eq!(archive(&["x", "y/z"]), archive(&["y/z", "x"]));
        assert_ne!(archive(&["x"]), archive(&["y"]));
    }

    #[test]
    fn archive_keeps_mode_and_time() {
        let bytes = archive(&["y/z"]);
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let files: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                let header = entry.header();
                let (mode, mtime) = (header.mode().unwrap(), header.mtime().unwrap());
                (path, mode, mtime, header.uid().unwrap())
            })
            .collect();
        assert_eq!(
            files,
            [
                ("bin/a".to_owned(), 0o755, 1_700_000_000, 0),
                ("y/z".to_owned(), 0o644, 1_700_000_000, 0)
            ]
        );
    }
}
