//! `evenkeel completions`: scripts for shells to complete commands, options and their values.

use anyhow::Result;
use clap_complete::{Shell, generate};
use evenkeel_report::terminal;

use crate::cli::NAME;

const EXAMPLES: &str = "\
Examples:
  source <(evenkeel completions bash)
      In the current shell
  evenkeel completions bash > ~/.local/share/bash-completion/completions/evenkeel
      In every new bash; needs the package bash-completion
  evenkeel completions zsh > ~/.zfunc/_evenkeel
      In every new zsh, if ~/.zfunc is in its fpath before compinit
  evenkeel completions fish > ~/.config/fish/completions/evenkeel.fish";

/// Print a script for a shell's completion of evenkeel's commands and options
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the completions of `command`.
///
/// # Errors
/// When the script is not UTF-8.
pub fn run(args: &Args, mut command: clap::Command) -> Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, NAME, &mut script);
    terminal::text(&String::from_utf8(script)?);
    Ok(())
}
