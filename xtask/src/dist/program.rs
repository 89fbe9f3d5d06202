//! The archive of the command line: the program, its completions and its manual.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::archive::Archive;
use super::source::Source;
use crate::shell::Shell;
use crate::workspace::Workspace;

/// The path of completions for each shell, below the prefix of an installation.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/evenkeel"),
    ("zsh", "share/zsh/site-functions/_evenkeel"),
    ("fish", "share/fish/vendor_completions.d/evenkeel.fish"),
];

/// The archive and the program in it.
pub struct Program {
    pub archive: Vec<u8>,
    pub binary: Vec<u8>,
}

/// Builds the program for `target` and packs it under `folder`.
///
/// # Errors
/// When it does not compile, or does not write its own completions and manual.
pub fn build(source: &Source, target: &str, folder: &str, shell: &mut Shell) -> Result<Program> {
    let workspace = &source.workspace;
    let arguments = format!("build --locked --profile cli --target {target} -p evenkeel");
    shell.run(workspace.cargo_for_release(&arguments)?)?;
    let path = workspace.target.join(target).join("cli/evenkeel");
    let binary = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;

    let mut archive = Archive::default();
    archive.program(format!("{folder}/bin/evenkeel"), binary.clone());
    for (shell, place) in COMPLETIONS {
        let script = output_of(&path, &["completions", shell])?;
        archive.file(format!("{folder}/{place}"), script);
    }
    for (name, page) in manual(&path, workspace)? {
        archive.file(format!("{folder}/share/man/man1/{name}"), page);
    }
    for (name, content) in source.below(&["LICENSE"])? {
        archive.file(format!("{folder}/{name}"), content);
    }
    Ok(Program {
        archive: archive.tar_gz(source.time)?,
        binary,
    })
}

fn manual(program: &Path, workspace: &Workspace) -> Result<Vec<(String, Vec<u8>)>> {
    let directory = workspace.target.join("dist.man");
    let _ = fs::remove_dir_all(&directory);
    output_of(program, &["man", "--dir", &directory.to_string_lossy()])?;
    let mut pages = Vec::new();
    for page in fs::read_dir(&directory)? {
        let page = page?;
        let name = page.file_name().to_string_lossy().into_owned();
        pages.push((name, fs::read(page.path())?));
    }
    fs::remove_dir_all(&directory)?;
    Ok(pages)
}

/// Returns what the program writes to stdout.
fn output_of(program: &Path, args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("evenkeel {} failed: {}", args.join(" "), error.trim());
    }
    Ok(output.stdout)
}
