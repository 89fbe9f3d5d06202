//! Ruby: the interpreter and libraries that Debian packages.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Program, output_of, sources};
use evenkeel_test_tools::debian;

/// Needs every library of the clients, and Ruby.
const PACKAGE: &str = "ruby-async-http";

/// The version of what unpacks the packages.
pub(super) fn version() -> Option<String> {
    output_of(Command::new("dpkg-deb").arg("--version"))
}

/// Why the packages are not available; None when they are.
pub(crate) fn missing() -> Option<String> {
    let error = debian::unpacked(PACKAGE).err()?;
    Some(format!("Debian's {PACKAGE} is not available: {error:#}"))
}

pub(super) fn program(name: &str) -> Result<Program> {
    let packages = debian::unpacked(PACKAGE)?;
    // Without Ruby among the packages, the machine has one.
    let unpacked = packages.join("ruby");
    let ruby = if unpacked.is_file() {
        unpacked
    } else {
        "ruby".into()
    };
    let script = sources("ruby").join(format!("{name}.rb"));
    let program = Program::new(ruby, vec!["-W0".into(), script.into()]);
    let roots = [&packages, Path::new("/")];
    let libraries = existing(&[packages.as_path()], &LIBRARIES)?;
    Ok(program
        .with("RUBYLIB", libraries)
        .with("GEM_PATH", existing(&roots, &GEMS)?))
}

/// Where Debian's Ruby has its libraries; `*` is one directory of any name.
const LIBRARIES: [&str; 4] = [
    "usr/lib/ruby/vendor_ruby",
    "usr/lib/ruby/*",
    "usr/lib/*/ruby/*",
    "usr/lib/*/ruby/vendor_ruby/*",
];

/// Where Debian's Ruby has its gems.
const GEMS: [&str; 2] = [
    "usr/share/rubygems-integration/all",
    "usr/lib/*/rubygems-integration/*",
];

/// The directories below the roots that the patterns match, as the value of a search path.
fn existing(roots: &[&Path], patterns: &[&str]) -> Result<OsString> {
    let mut found = Vec::new();
    for root in roots {
        for pattern in patterns {
            found.extend(matching(root, pattern)?);
        }
    }
    Ok(env::join_paths(found)?)
}

fn matching(root: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let mut found = vec![root.to_owned()];
    for part in pattern.split('/') {
        let mut next = Vec::new();
        for directory in found {
            if part != "*" {
                next.push(directory.join(part));
            } else if directory.is_dir() {
                for entry in fs::read_dir(directory)? {
                    next.push(entry?.path());
                }
            }
        }
        found = next;
    }
    found.retain(|directory| directory.is_dir());
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_matches_one_directory_of_any_name() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["usr/lib/any/ruby/3.1.0/digest", "usr/lib/other"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }

        let found = matching(root.path(), "usr/lib/*/ruby/*").unwrap();

        assert_eq!(found, [root.path().join("usr/lib/any/ruby/3.1.0")]);
    }
}
