//! Writes `policies/policy.schema.json` and the table in `docs/policy.md` from the policy's types.
use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    fs::write(
        policies.join("policy.schema.json"),
        evenkeel_policy::schema(),
    )?;
    let reference = policies.join("../docs/policy.md");
    let text = fs::read_to_string(&reference)?;
    let Some(text) = evenkeel_policy::with_keys_table(&text) else {
        return Err(io::Error::other(format!(
            "{}: the marks around the table are gone",
            reference.display()
        )));
    };
    fs::write(reference, text)
}
