//! `evenkeel completions`: what makes a shell complete commands, options and their values.

use anyhow::Result;
use clap_complete::{Shell, generate};

use crate::cli::NAME;
use crate::term;

const EXAMPLES: &str = "\
Examples:
  source <(evenkeel completions bash)
      In this shell alone
  evenkeel completions bash > ~/.local/share/bash-completion/completions/evenkeel
      In every bash from the next one on; it needs the package bash-completion
  evenkeel completions zsh > ~/.zfunc/_evenkeel
      In every zsh, if ~/.zfunc is in its fpath before compinit
  evenkeel completions fish > ~/.config/fish/completions/evenkeel.fish";

/// Write what makes a shell complete evenkeel's commands and options, to stdout.
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
/// When what was written is not text.
pub fn run(args: &Args, mut command: clap::Command) -> Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, NAME, &mut script);
    term::text(&String::from_utf8(script)?);
    Ok(())
}
