//! Node: packages by npm.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Program, output_of, run, sources, tuned};
use evenkeel_test_tools::cache;

/// The programs whose libraries need a later Node than machines have; their packages bring one.
const WITH_OWN_NODE: [&str; 2] = ["got", "undici8"];

pub(super) fn version() -> Option<String> {
    output_of(Command::new("node").arg("--version"))
}

pub(super) fn program(name: &str, version: &str, note: impl Fn(&str)) -> Result<Program> {
    let files = files(&sources("node"))?;
    let project = cache::provide("node", (version, &files), |directory| {
        note("Installing the Node clients (once)");
        // Node looks for packages beside the program that imports them.
        for (file, content) in &files {
            fs::write(directory.join(file), content)?;
        }
        let mut npm = Command::new("npm");
        // No package here needs a script to be whole.
        run(npm
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(directory))
    })?;
    let (name, tuned) = tuned(name);
    let node = if WITH_OWN_NODE.contains(&name) {
        project.join("node_modules/.bin/node")
    } else {
        "node".into()
    };
    let script = project.join(format!("{name}.mjs"));
    let program = Program::new(node, vec![script.into()]);
    Ok(if tuned { program.tuned() } else { program })
}

/// The files of the directory, without packages that were installed there for an editor.
fn files(directory: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            let content = fs::read_to_string(&path)?;
            files.push((name.to_string_lossy().into_owned(), content));
        }
    }
    files.sort();
    Ok(files)
}
