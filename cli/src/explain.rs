//! `evenkeel explain`: a policy in plain sentences, or the rule that applies to a request or connection.

mod choice;
mod lookup;
mod options;
mod policy;
mod rule;
mod settings;
mod values;

use anyhow::Result;
use evenkeel_report::terminal::{self, Style};

use crate::diagnose::{self, Document};
use lookup::Lookup;
pub use options::Args;
use options::Format;

/// Prints the explanation.
///
/// # Errors
/// When the policy is invalid; a usage error when the file cannot be read or the request is invalid.
pub fn run(args: &Args) -> Result<()> {
    let lookup = args.lookup()?;
    let policies = diagnose::read_all(&args.file)?;
    let mut texts = Vec::new();
    let mut values = Vec::new();
    for (source, policy) in &policies {
        let document = Document::of(source);
        let (text, mut json) = match &lookup {
            Some(lookup) => {
                let choice = choice::of(source, &document, policy, lookup);
                (choice.to_text(), choice.to_json())
            }
            None => {
                let explained = policy::of(source, &document, policy, args.load());
                (explained.to_text(), explained.to_json())
            }
        };
        // A single policy needs no name.
        let object = source.object().filter(|_| policies.len() > 1);
        match object {
            Some(object) => {
                let name = terminal::styled(Style::Bold, terminal::escape(&object.name));
                texts.push(format!("{name}\n\n{}", text.trim_end()));
                json["object"] = object.name.as_str().into();
            }
            None => texts.push(text.trim_end().to_owned()),
        }
        values.push(json);
    }
    let json = match values.pop() {
        Some(only) if values.is_empty() => only,
        last => {
            values.extend(last);
            serde_json::json!({ "policies": values })
        }
    };
    match args.format {
        Format::Text => terminal::line(&texts.join("\n\n")),
        Format::Json => terminal::line(&serde_json::to_string_pretty(&json)?),
    }
    Ok(())
}
