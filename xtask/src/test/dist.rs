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
use crate::dist::{Release, SUMS, VERSION, make, sums};
use crate::shell::Shell;
use crate::workspace::{Workspace, cargo_home, host};

/// Makes the release here, and once more from a copy in another place with nothing built before.
///
/// # Errors
/// Names the first thing that is not as promised.
pub fn check(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let target = host()?;
    let elsewhere = tempfile::tempdir()?;
    let source = Source::of(workspace)?;
    let copy = source.copied_to(elsewhere.path())?;
    // Both at once: a build uses one core for much of its time.
    let mut other = Shell::kept();
    let (release, again) = thread::scope(|scope| {
        let again = scope.spawn(|| make(&copy, &target, &mut other));
        (make(&source, &target, shell), again.join())
    });
    shell.note(&other.transcript());
    let release = release?;
    let again = again.map_err(|_| anyhow!("the second build panicked"))??;
    same(&release, &again)?;
    for place in [&workspace.root, elsewhere.path(), &cargo_home()?] {
        nowhere(&release, place)?;
    }
    listed(&release)?;
    image::check(&release)?;
    let folder = format!("evenkeel-{VERSION}-{target}");
    billed(&release, "evenkeel.wasm", "serde_json")?;
    billed(&release, &folder, "clap")?;
    runs(&release, &folder)
}

fn file<'a>(release: &'a Release, path: &str) -> Result<&'a [u8]> {
    let content = release.get(path).with_context(|| format!("no {path}"))?;
    Ok(content)
}

fn same(release: &Release, again: &Release) -> Result<()> {
    for path in release.keys().chain(again.keys()) {
        let same = release.get(path) == again.get(path);
        ensure!(same, "{path} differs when it is built in another directory");
    }
    Ok(())
}

/// A release must not contain the directory in which it was built.
fn nowhere(release: &Release, place: &Path) -> Result<()> {
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

/// Every file is in the list with its digest, and nothing else.
fn listed(release: &Release) -> Result<()> {
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

/// The bill is one that CycloneDX's own types read and find valid, and `part` is inside the product.
fn billed(release: &Release, product: &str, part: &str) -> Result<()> {
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

/// What is in the archive runs, and has its manual beside it.
fn runs(release: &Release, folder: &str) -> Result<()> {
    let place = tempfile::tempdir()?;
    let archive = file(release, &format!("{folder}.tar.gz"))?;
    tar::Archive::new(GzDecoder::new(archive)).unpack(place.path())?;
    let prefix = place.path().join(folder);
    let program = prefix.join("bin/evenkeel");
    let mode = fs::metadata(&program)?.permissions().mode();
    ensure!(mode & 0o777 == 0o755, "evenkeel has the mode {mode:o}");
    let output = Command::new(&program).arg("--version").output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        said == format!("evenkeel {VERSION}\n"),
        "evenkeel --version says {said:?}"
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
        assert!(same(&one, &one).is_ok());
        for other in [release(&[("a", "2")]), release(&[("a", "1"), ("b", "")])] {
            assert!(same(&one, &other).is_err() && same(&other, &one).is_err());
        }
    }

    #[test]
    fn path_of_the_machine_is_found_in_an_archive_too() {
        let mut one = release(&[("a", "built in /home/anne/evenkeel/src")]);
        assert!(nowhere(&one, Path::new("/home/anne/evenkeel")).is_err());
        assert!(nowhere(&one, Path::new("/home/bob")).is_ok());
        let packed = crate::dist::archive::gzip(&one["a"]).unwrap();
        one = Release::from([("a.tar.gz".to_owned(), packed)]);
        assert!(nowhere(&one, Path::new("/home/anne/evenkeel")).is_err());
    }

    #[test]
    fn checksum_list_without_a_file_is_rejected() {
        let line = sums::line(b"1", "evenkeel.wasm");
        let mut one = release(&[("evenkeel.wasm", "1"), ("evenkeel.wasm.sha256", &line)]);
        let lines = line.clone() + &sums::line(line.as_bytes(), "evenkeel.wasm.sha256");
        one.insert(SUMS.to_owned(), lines.into_bytes());
        listed(&one).unwrap();
        one.insert("more".to_owned(), Vec::new());
        assert!(listed(&one).is_err());
    }
}
