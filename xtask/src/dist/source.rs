//! The sources of a release: the files of the repository and their commit time.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// The files and the time. Nothing else of the machine affects a release.
pub struct Source {
    pub workspace: Workspace,
    /// Paths relative to the root, in order, without files that git ignores.
    files: Vec<PathBuf>,
    /// The modification time of every file in an archive, in seconds since 1970.
    pub time: u64,
}

impl Source {
    /// Lists the files by git. The time is `$SOURCE_DATE_EPOCH`, else that of the last commit.
    ///
    /// # Errors
    /// When this is not a git clone, or git is missing.
    pub fn of(workspace: &Workspace) -> Result<Self> {
        let listed = git(
            &workspace.root,
            "ls-files -z --cached --others --exclude-standard",
        )?;
        let mut files: Vec<PathBuf> = listed
            .split('\0')
            .filter(|file| !file.is_empty())
            .map(PathBuf::from)
            // git still lists files whose removal is not committed.
            .filter(|file| workspace.root.join(file).is_file())
            .collect();
        files.sort();
        files.dedup();
        let time = match env::var("SOURCE_DATE_EPOCH") {
            Ok(time) => time,
            Err(_) => git(&workspace.root, "log -1 --format=%ct")?,
        };
        let time = time.trim().parse();
        let time = time.context("SOURCE_DATE_EPOCH is not a number of seconds since 1970")?;
        Ok(Self {
            workspace: workspace.clone(),
            files,
            time,
        })
    }

    /// Copies the files to another directory, with a separate target directory.
    ///
    /// # Errors
    /// When they cannot be copied, or cargo cannot read the copy.
    pub fn copied_to(&self, place: &Path) -> Result<Self> {
        for file in &self.files {
            let copy = place.join(file);
            if let Some(folder) = copy.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::copy(self.workspace.root.join(file), &copy)
                .with_context(|| format!("cannot copy {}", file.display()))?;
        }
        Ok(Self {
            workspace: Workspace {
                root: place.to_owned(),
                target: place.join("target"),
            },
            files: self.files.clone(),
            time: self.time,
        })
    }

    /// Returns the names and contents of the files at or below one of `places`.
    ///
    /// # Errors
    /// When there is no file at one of the places, or a file cannot be read.
    pub fn below(&self, places: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        for place in places {
            let before = found.len();
            for file in self.files.iter().filter(|file| file.starts_with(place)) {
                let content = fs::read(self.workspace.root.join(file))
                    .with_context(|| format!("cannot read {}", file.display()))?;
                found.push((file.to_string_lossy().into_owned(), content));
            }
            if found.len() == before {
                bail!("no {place} in {}", self.workspace.root.display());
            }
        }
        Ok(found)
    }
}

fn git(root: &Path, args: &str) -> Result<String> {
    let mut git = Command::new("git");
    git.args(args.split(' ')).current_dir(root);
    let output = git
        .output()
        .context("no git, which knows the files of a release: install it")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} is no clone: a release is made in one ({})",
            root.display(),
            said.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
