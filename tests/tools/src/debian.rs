//! Programs of Debian packages: those of the machine, or from `apt-get download`, which needs no root, and run from where they
//! were unpacked.

mod daemon;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::cache;
use crate::command::run;

pub use daemon::Daemon;

/// The directory of servers, which is not in the `PATH` without root.
const SERVERS: &str = "/usr/sbin";

/// Returns the path of a program; `package` is downloaded when the machine does not have it.
///
/// # Errors
/// When the package cannot be downloaded, with the output of apt-get.
pub fn binary(package: &str, name: &str) -> Result<PathBuf> {
    if let Some(path) = installed(name) {
        return Ok(path);
    }
    let launcher = unpacked(package)?.join(name);
    if !launcher.is_file() {
        bail!("Debian's {package} has no {name}");
    }
    Ok(launcher)
}

/// Returns the directory of the unpacked package and its missing dependencies, with a launcher for each program.
///
/// # Errors
/// When the package cannot be downloaded, with the output of apt-get.
pub fn unpacked(package: &str) -> Result<PathBuf> {
    // A program of one release need not run on another.
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    cache::provide(package, release, |directory| {
        eprintln!("Downloading Debian's {package} (once)");
        unpack(package, directory)?;
        write_launchers(directory)
    })
}

/// Returns the `LD_LIBRARY_PATH` of programs below a directory of [`unpacked`].
///
/// # Errors
/// When the directory cannot be read.
pub fn library_path(directory: &Path) -> Result<OsString> {
    Ok(env::join_paths(libraries(directory)?)?)
}

/// Returns why [`binary`] fails; None when it does not.
pub fn missing(package: &str, name: &str) -> Option<String> {
    let error = binary(package, name).err()?;
    Some(format!(
        "{name} is not installed, and Debian's {package} cannot be had: {error:#}"
    ))
}

fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from(SERVERS)])
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// Unpacks the package and its missing dependencies below `directory`.
fn unpack(package: &str, directory: &Path) -> Result<()> {
    // The package lists of the machine may be missing or outdated.
    if let Err(error) = download(package, directory, &[]) {
        eprintln!("{error:#}\nFetching Debian's lists of packages, for this download alone");
        let lists = TempDir::new().context("no temporary directory")?;
        let own = own_lists(lists.path())?;
        run(apt().args(&own).arg("update"))?;
        download(package, directory, &own)?;
    }
    for file in fs::read_dir(directory)? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(directory))?;
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

/// Returns the options of apt-get for package lists in a directory, which needs no root.
fn own_lists(directory: &Path) -> Result<[String; 4]> {
    let [lists, cache] = ["lists", "cache"].map(|name| directory.join(name));
    fs::create_dir_all(lists.join("partial"))?;
    fs::create_dir_all(cache.join("archives/partial"))?;
    Ok([
        "-o".to_owned(),
        format!("Dir::State::Lists={}", lists.display()),
        "-o".to_owned(),
        format!("Dir::Cache={}", cache.display()),
    ])
}

fn download(package: &str, directory: &Path, options: &[String]) -> Result<()> {
    let mut plan = apt();
    plan.args(options)
        .args(["--simulate", "--no-install-recommends", "install"])
        .arg(package);
    let plan = run(&mut plan)?;
    let mut download = apt();
    download
        .args(options)
        .arg("download")
        .args(to_install(&plan))
        .current_dir(directory);
    run(&mut download)?;
    Ok(())
}

/// Returns the packages of a simulated installation.
fn to_install(plan: &str) -> Vec<&str> {
    plan.lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .collect()
}

/// Writes a launcher for each program, which sets the path of its libraries.
fn write_launchers(directory: &Path) -> Result<()> {
    let libraries = library_path(directory)?;
    for folder in ["usr/sbin", "usr/bin"].map(|folder| directory.join(folder)) {
        if !folder.is_dir() {
            continue;
        }
        for program in fs::read_dir(folder)? {
            let program = program?;
            let script = format!(
                "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n",
                libraries.display(),
                program.path().display()
            );
            let launcher = directory.join(program.file_name());
            fs::write(&launcher, script)?;
            fs::set_permissions(launcher, PermissionsExt::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// Returns the library directories of the architecture, such as `lib/x86_64-linux-gnu`.
fn libraries(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in ["usr/lib", "lib"].map(|folder| directory.join(folder)) {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().contains("-linux-") {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// Runs a command with output in the C locale.
fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("LC_ALL", "C");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_packages_are_those_that_apt_get_would_install() {
        let plan = "Reading package lists...\n\
            Inst libev4 (1:4.33-1 Debian:12 [amd64])\n\
            Inst libnghttp2-14 [1.52.0-1] (1.52.0-2 Debian:12 [amd64])\n\
            Conf libev4 (1:4.33-1 Debian:12 [amd64])\n";

        assert_eq!(to_install(plan), ["libev4", "libnghttp2-14"]);
    }

    /// As on a machine without package lists.
    #[test]
    fn package_lists_are_below_the_given_directory() {
        let directory = tempfile::tempdir().unwrap();

        let options = own_lists(directory.path()).unwrap();

        for option in options.iter().filter(|option| option.contains('=')) {
            let (_, path) = option.split_once('=').unwrap();
            assert!(Path::new(path).starts_with(directory.path()), "{option}");
            assert!(Path::new(path).is_dir(), "{option}");
        }
    }

    #[test]
    fn program_runs_with_its_own_libraries() {
        let directory = tempfile::tempdir().unwrap();
        let below = |path: &str| directory.path().join(path);
        for folder in ["usr/bin", "usr/lib/any-linux-gnu", "usr/lib/other"] {
            fs::create_dir_all(below(folder)).unwrap();
        }
        let program = "#!/bin/sh\necho \"$1 $LD_LIBRARY_PATH\"\n";
        fs::write(below("usr/bin/tell"), program).unwrap();
        fs::set_permissions(below("usr/bin/tell"), PermissionsExt::from_mode(0o755)).unwrap();

        write_launchers(directory.path()).unwrap();

        let text = run(Command::new(below("tell")).arg("a b")).unwrap();
        let libraries = below("usr/lib/any-linux-gnu");
        assert_eq!(text, format!("a b {}\n", libraries.display()));
    }
}
