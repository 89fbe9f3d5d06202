//! The step `walk`: runs the commands of the documentation's start page.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell::Shell;
use crate::workspace::Workspace;

const PAGE: &str = "docs/start.md";

/// Runs every command of the page in one shell.
///
/// # Errors
/// When one of them fails.
pub(super) fn run(workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let page = fs::read_to_string(workspace.root.join(PAGE))
        .with_context(|| format!("cannot read {PAGE}"))?;
    let commands = blocks(&page);
    ensure!(!commands.is_empty(), "{PAGE} has no command");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &commands])
        .current_dir(&workspace.root);
    // The commands use target/.
    bash.env_remove("CARGO_TARGET_DIR");
    shell.run(bash)
}

/// Returns the content of the page's shell blocks.
fn blocks(page: &str) -> String {
    let blocks = page.split("```sh\n").skip(1);
    blocks
        .filter_map(|rest| rest.split_once("```").map(|(block, _)| block))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_shell_are_put_together_and_others_left_out() {
        let page = "Do\n```sh\none\n```\nand see\n```text\nnothing\n```\nthen\n```sh\ntwo\n```\n";
        assert_eq!(blocks(page), "one\ntwo\n");
    }
}
