//! Checks that the release is complete and that a second build gives the same bytes.

mod image;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use cyclonedx_bom::models::bom::{Bom, SpecVersion};
use cyclonedx_bom::models::component::Scope;
use cyclonedx_bom::validation::Validate;
use flate2::read::GzDecoder;

use crate::dist::source::Source;
use crate::dist::{Release, SUMS, VERSION, build, sums};
use crate::shell::Shell;
use crate::workspace::{Workspace, cargo_home, host};

/// Builds the release here, and once more from a copy in another directory without earlier builds.
///
/// # Errors
/// The first difference.
pub fn check(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let target = host()?;
    let elsewhere = tempfile::tempdir()?;
    let source = Source::of(workspace)?;
    let copy = source.copied_to(elsewhere.path())?;
    // In parallel: a build uses one core for much of its time.
    let mut other = Shell::capture();
    let (release, again) = thread::scope(|scope| {
        let again = scope.spawn(|| build(&copy, &target, &mut other));
        (build(&source, &target, shell), again.join())
    });
    shell.note(&other.transcript());
    let release = release?;
    let again = again.map_err(|_| anyhow!("the second build panicked"))??;
    check_same(&release, &again)?;
    for place in [&workspace.root, elsewhere.path(), &cargo_home()?] {
        check_paths(&release, place)?;
    }
    check_sums(&release)?;
    image::check(&release)?;
    let folder = format!("evenkeel-{VERSION}-{target}");
    check_bill(&release, "evenkeel.wasm", "serde_json")?;
    check_bill(&release, &folder, "clap")?;
    check_program(&release, &folder)
}

fn file<'a>(release: &'a Release, path: &str) -> Result<&'a [u8]> {
    let content = release.get(path).with_context(|| format!("no {path}"))?;
    Ok(content)
}

fn check_same(release: &Release, again: &Release) -> Result<()> {
    for path in release.keys().chain(again.keys()) {
        let same = release.get(path) == again.get(path);
        ensure!(same, "{path} differs when it is built in another directory");
    }
    Ok(())
}

/// A release must not contain the directory in which it was built.
fn check_paths(release: &Release, place: &Path) -> Result<()> {
    let place = place.to_string_lossy();
    for (path, content) in release {
        let mut text = content.clone();
        if path.ends_with(".gz") {
            text.clear();
            GzDecoder::new(content.as_slice()).read_to_end(&mut text)?;
        }
        let is_named = text
            .windows(place.len())
            .any(|part| part == place.as_bytes());
        ensure!(!is_named, "{path} names {place}");
    }
    Ok(())
}

/// Checks that the list has the digest of every file, and nothing else.
fn check_sums(release: &Release) -> Result<()> {
    let expected: String = release
        .iter()
        .filter(|(path, _)| *path != SUMS)
        .map(|(path, content)| format!("{}  {path}\n", sums::sha256(content)))
        .collect();
    ensure!(
        file(release, SUMS)? == expected.as_bytes(),
        "{SUMS} is not the list of what is there"
    );
    let module = sums::line(file(release, "evenkeel.wasm")?, "evenkeel.wasm");
    let beside = file(release, "evenkeel.wasm.sha256")?;
    ensure!(
        beside == module.as_bytes(),
        "evenkeel.wasm.sha256 is not its digest"
    );
    Ok(())
}

/// Checks that CycloneDX's own types accept the bill, and that `part` is in the product.
fn check_bill(release: &Release, product: &str, part: &str) -> Result<()> {
    let path = format!("{product}.cdx.json");
    let bill = Bom::parse_from_json(file(release, &path)?)?;
    let validated = bill.validate_version(SpecVersion::V1_5);
    ensure!(
        !validated.has_errors(),
        "{path} is not valid: {validated:?}"
    );
    let parts = bill
        .components
        .map(|components| components.0)
        .unwrap_or_default();
    let inside = parts
        .iter()
        .find(|component| component.name.to_string() == part);
    let inside = inside.with_context(|| format!("{path} does not name {part}"))?;
    ensure!(
        inside.scope == Some(Scope::Required),
        "{path}: {part} is {:?}",
        inside.scope
    );
    Ok(())
}

/// Checks that the program in the archive runs, and that the archive has its manual and completions.
fn check_program(release: &Release, folder: &str) -> Result<()> {
    let place = tempfile::tempdir()?;
    let archive = file(release, &format!("{folder}.tar.gz"))?;
    tar::Archive::new(GzDecoder::new(archive)).unpack(place.path())?;
    let prefix = place.path().join(folder);
    let program = prefix.join("bin/evenkeel");
    let mode = fs::metadata(&program)?.permissions().mode();
    ensure!(mode & 0o777 == 0o755, "evenkeel has the mode {mode:o}");
    let output = Command::new(&program).arg("--version").output()?;
    let version = String::from_utf8_lossy(&output.stdout);
    ensure!(
        version == format!("evenkeel {VERSION}\n"),
        "evenkeel --version prints {version:?}"
    );
    for beside in [
        "share/man/man1/evenkeel.1",
        "share/bash-completion/completions/evenkeel",
    ] {
        if !prefix.join(beside).is_file() {
            bail!("{folder}.tar.gz has no {beside}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(files: &[(&str, &str)]) -> Release {
        let files = files.iter();
        files
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn extra_bytes_and_files_are_differences() {
        let one = release(&[("a", "1")]);
        assert!(check_same(&one, &one).is_ok());
        for other in [release(&[("a", "2")]), release(&[("a", "1"), ("b", "")])] {
            assert!(check_same(&one, &other).is_err() && check_same(&other, &one).is_err());
        }
    }

    #[test]
    fn path_of_the_machine_is_found_in_an_archive_too() {
        let mut one = release(&[("a", "built in /home/anne/evenkeel/src")]);
        assert!(check_paths(&one, Path::new("/home/anne/evenkeel")).is_err());
        assert!(check_paths(&one, Path::new("/home/bob")).is_ok());
        let packed = crate::dist::archive::gzip(&one["a"]).unwrap();
        one = Release::from([("a.tar.gz".to_owned(), packed)]);
        assert!(check_paths(&one, Path::new("/home/anne/evenkeel")).is_err());
    }

    #[test]
    fn checksum_list_without_a_file_is_rejected() {
        let line = sums::line(b"1", "evenkeel.wasm");
        let mut one = release(&[("evenkeel.wasm", "1"), ("evenkeel.wasm.sha256", &line)]);
        let lines = line.clone() + &sums::line(line.as_bytes(), "evenkeel.wasm.sha256");
        one.insert(SUMS.to_owned(), lines.into_bytes());
        check_sums(&one).unwrap();
        one.insert("more".to_owned(), Vec::new());
        assert!(check_sums(&one).is_err());
    }
}
