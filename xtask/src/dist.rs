//! `cargo xtask dist`: builds the release in `dist/` of the target directory. It is reproducible: the
//! same sources and the toolchain of `rust-toolchain.toml` give the same bytes.

pub mod archive;
pub mod bill;
pub mod image;
mod program;
pub mod source;
pub mod sums;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cyclonedx_bom::models::component::Classification;
use evenkeel_report::align;
use evenkeel_report::terminal;

use crate::shell::Shell;
use crate::wasm;
use crate::workspace::{Workspace, host};
use archive::Archive;
use bill::Product;
use source::Source;

/// The options of `cargo xtask dist`.
#[derive(clap::Args)]
pub struct Args {
    /// The target triple of the CLI [default: this machine]
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

/// The version of the release and of all packages.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The directory of the image layout in the release.
pub const IMAGE: &str = "oci";

/// The file with all digests.
pub const SUMS: &str = "SHA256SUMS";

/// The files for operators: configurations, policies, manifests, dashboards, documentation.
const SHARED: [&str; 10] = [
    "LICENSE",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs",
    "envoy",
    "istio",
    "policies",
];

/// The contents of the released files by path.
pub type Release = BTreeMap<String, Vec<u8>>;

/// Builds the release and prints its contents.
///
/// # Errors
/// When a build fails, or this is not a git clone.
pub fn run(args: &Args, workspace: &Workspace) -> Result<()> {
    let source = Source::of(workspace)?;
    let target = match &args.target {
        Some(target) => target.clone(),
        None => host()?,
    };
    let release = build(&source, &target, &mut Shell::inherit())?;
    let place = source.workspace.target.join("dist");
    write(&release, &place)?;
    terminal::line(&table(&release)?);
    terminal::line(&format!("In {}", place.display()));
    Ok(())
}

/// Builds the release.
///
/// # Errors
/// When a build fails.
pub fn build(source: &Source, target: &str, shell: &mut Shell) -> Result<Release> {
    let workspace = &source.workspace;
    let mut release = Release::new();
    let mut add = |name: &str, content: Vec<u8>| release.insert(name.to_owned(), content);

    let module = wasm::build(workspace, shell)?.path;
    let module = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    add(
        "evenkeel.wasm.sha256",
        sums::line(&module, "evenkeel.wasm").into(),
    );
    let product = Product {
        name: "evenkeel.wasm",
        content: &module,
        kind: Classification::Library,
        package: "evenkeel-plugin",
        target: wasm::TARGET,
    };
    add("evenkeel.wasm.cdx.json", bill::of(&product, workspace)?);
    for (path, content) in image::layout(&module, VERSION)? {
        add(&format!("{IMAGE}/{path}"), content);
    }
    add("evenkeel.wasm", module);

    let folder = format!("evenkeel-{VERSION}-{target}");
    let program = program::build(source, target, &folder, shell)?;
    let product = Product {
        name: "evenkeel",
        content: &program.binary,
        kind: Classification::Application,
        package: "evenkeel",
        target,
    };
    add(
        &format!("{folder}.cdx.json"),
        bill::of(&product, workspace)?,
    );
    add(&format!("{folder}.tar.gz"), program.archive);

    let folder = format!("evenkeel-{VERSION}-operator");
    let mut shared = Archive::default();
    for (path, content) in source.below(&SHARED)? {
        shared.file(format!("{folder}/{path}"), content);
    }
    add(&format!("{folder}.tar.gz"), shared.tar_gz(source.time)?);
    for (_, schema) in source.below(&["policies/policy.schema.json"])? {
        add("policy.schema.json", schema);
    }

    let lines = release
        .iter()
        .map(|(path, content)| sums::line(content, path));
    let lines: String = lines.collect();
    release.insert(SUMS.to_owned(), lines.into());
    Ok(release)
}

/// Writes the release to `place`, replacing its contents.
///
/// # Errors
/// When a file cannot be written.
pub fn write(release: &Release, place: &Path) -> Result<()> {
    let unwritable = || format!("cannot write {}", place.display());
    if place.exists() {
        fs::remove_dir_all(place).with_context(unwritable)?;
    }
    for (path, content) in release {
        let path = place.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(unwritable)?;
        }
        fs::write(path, content).with_context(unwritable)?;
    }
    Ok(())
}

/// Formats a line for each file, and for each image with its digest in a registry.
fn table(release: &Release) -> Result<String> {
    let is_image = |path: &str| path.starts_with(IMAGE);
    let files = release.iter().filter(|(path, _)| !is_image(path));
    let mut rows = vec![["what", "bytes", "sha256"].map(str::to_owned)];
    rows.extend(files.map(|(path, content)| {
        [
            path.clone(),
            content.len().to_string(),
            sums::sha256(content),
        ]
    }));
    for image in image::images(release)? {
        let what = format!("{IMAGE}:{}", image.tag);
        rows.push([what, image.size.to_string(), image.digest]);
    }
    Ok(align(0, &rows, 1..2).trim_end().to_owned())
}
