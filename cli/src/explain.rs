//! `evenkeel explain`: a policy in plain sentences, or what it makes of one request or connection.

mod asked;
mod choice;
mod options;
mod policy;
mod rule;
mod settings;
mod table;
mod values;

use anyhow::Result;

use crate::diagnose::{self, Document};
use crate::term;
use asked::Asked;
pub use options::Args;
use options::Format;

/// Says what the policy means.
///
/// # Errors
/// When the policy is wrong; a usage error when it cannot be read, or the request is not understood.
pub fn run(args: &Args) -> Result<()> {
    let asked = args.asked()?;
    let (source, policy) = diagnose::read(&args.file)?;
    let document = Document::of(&source);
    let (text, json) = match asked {
        Some(asked) => {
            let choice = choice::of(&source, &document, &policy, &asked);
            (choice.to_text(), choice.to_json())
        }
        None => {
            let explained = policy::of(&source, &document, &policy, args.load());
            (explained.to_text(), explained.to_json())
        }
    };
    match args.format {
        Format::Text => term::line(text.trim_end()),
        Format::Json => term::line(&serde_json::to_string_pretty(&json)?),
    }
    Ok(())
}
