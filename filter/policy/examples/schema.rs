//! Writes `policies/policy.schema.json` and the table in `policies/README.md` from the policy's types.
use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    fs::write(
        policies.join("policy.schema.json"),
        evenkeel_policy::schema(),
    )?;
    let readme = policies.join("README.md");
    let text = fs::read_to_string(&readme)?;
    let Some(text) = evenkeel_policy::with_keys_table(&text) else {
        return Err(io::Error::other(format!(
            "{}: the marks around the table are gone",
            readme.display()
        )));
    };
    fs::write(readme, text)
}
