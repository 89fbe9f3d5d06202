//! The module as an OCI image layout, in both forms that Istio pulls.
//!
//! Compat: an ordinary image whose only layer holds `plugin.wasm`; every registry, mirror and tool
//! accepts it. Artifact: the module as a blob, with the media types of the Wasm image specification.
//! Both depend only on the module and the version, so their digests change only with these.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, Digest, ImageConfigurationBuilder, ImageIndex,
    ImageIndexBuilder, ImageManifest, ImageManifestBuilder, MediaType, OciLayoutBuilder, Os,
    RootFsBuilder, SCHEMA_VERSION, Sha256Digest,
};
use serde::Serialize;
use serde_json::json;

use super::archive::{Archive, gzip};
use super::{IMAGE, Release, sums};

/// The media types that Istio expects; the artifact has exactly two layers.
const RUNTIME_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const MODULE: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

/// The annotation by which tools find a tag in a layout.
pub const TAG: &str = "org.opencontainers.image.ref.name";

/// An image of a layout.
pub struct Image {
    pub tag: String,
    /// The digest of the manifest in hexadecimal.
    pub digest: String,
    /// The size of the manifest and its blobs.
    pub size: u64,
}

/// A layout under construction: its files by path.
struct Layout {
    files: BTreeMap<String, Vec<u8>>,
    manifests: Vec<Descriptor>,
}

/// Creates the layout of `module`: the artifact is tagged `version`, the compat image `version-compat`.
///
/// # Errors
/// When the specification's types reject a value.
pub fn layout(module: &[u8], version: &str) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut layout = Layout {
        files: BTreeMap::new(),
        manifests: Vec::new(),
    };
    layout.artifact(module, version)?;
    layout.compat(module, version)?;
    let index = ImageIndexBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageIndex)
        .manifests(layout.manifests)
        .build()?;
    let marker = OciLayoutBuilder::default().image_layout_version("1.0.0");
    layout
        .files
        .insert("index.json".to_owned(), canonical(&index)?);
    layout
        .files
        .insert("oci-layout".to_owned(), canonical(&marker.build()?)?);
    Ok(layout.files)
}

/// Reads the images of a release's layout.
///
/// # Errors
/// When the layout is invalid or incomplete.
pub fn images(release: &Release) -> Result<Vec<Image>> {
    let file = |path: &str| {
        let path = format!("{IMAGE}/{path}");
        release.get(&path).with_context(|| format!("no {path}"))
    };
    let index = ImageIndex::from_reader(file("index.json")?.as_slice())?;
    let images = index.manifests().iter().map(|descriptor| {
        let digest = descriptor.digest().digest().to_owned();
        let content = file(&format!("blobs/sha256/{digest}"))?;
        let manifest = ImageManifest::from_reader(content.as_slice())?;
        let parts = manifest.layers().iter().chain([manifest.config()]);
        let tag = descriptor
            .annotations()
            .as_ref()
            .and_then(|all| all.get(TAG));
        Ok(Image {
            tag: tag.cloned().unwrap_or_default(),
            digest,
            size: descriptor.size() + parts.map(Descriptor::size).sum::<u64>(),
        })
    });
    images.collect()
}

impl Layout {
    fn artifact(&mut self, module: &[u8], version: &str) -> Result<()> {
        let runtime = runtime_config()?;
        let config = self.blob(RUNTIME_CONFIG.into(), runtime.clone())?;
        let layers = vec![
            titled(config.clone(), "runtime-config.json"),
            titled(self.blob(MODULE.into(), module.to_vec())?, "evenkeel.wasm"),
        ];
        self.manifest(config, layers, about(version), version)
    }

    fn compat(&mut self, module: &[u8], version: &str) -> Result<()> {
        let mut files = Archive::default();
        files.file("plugin.wasm", module);
        let tar = files.tar(0)?;
        let config = ImageConfigurationBuilder::default()
            // The module runs on every machine; most tools request this one by default.
            .architecture(Arch::Amd64)
            .os(Os::Linux)
            .config(ConfigBuilder::default().labels(about(version)).build()?)
            .rootfs(
                RootFsBuilder::default()
                    .typ("layers")
                    .diff_ids(vec![format!("sha256:{}", sums::sha256(&tar))])
                    .build()?,
            )
            .history(Vec::new())
            .build()?;
        let config = self.blob(MediaType::ImageConfig, canonical(&config)?)?;
        let layer = self.blob(MediaType::ImageLayerGzip, gzip(&tar)?)?;
        let mut annotations = about(version);
        annotations.insert("module.wasm.image/variant".to_owned(), "compat".to_owned());
        let tag = format!("{version}-compat");
        self.manifest(config, vec![layer], annotations, &tag)
    }

    fn manifest(
        &mut self,
        config: Descriptor,
        layers: Vec<Descriptor>,
        annotations: HashMap<String, String>,
        tag: &str,
    ) -> Result<()> {
        let manifest = ImageManifestBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(config)
            .layers(layers)
            .annotations(annotations)
            .build()?;
        let mut manifest = self.blob(MediaType::ImageManifest, canonical(&manifest)?)?;
        manifest.set_annotations(Some(HashMap::from([(TAG.to_owned(), tag.to_owned())])));
        self.manifests.push(manifest);
        Ok(())
    }

    fn blob(&mut self, media_type: MediaType, content: Vec<u8>) -> Result<Descriptor> {
        let sha256 = sums::sha256(&content);
        let digest: Digest = sha256.parse::<Sha256Digest>()?.into();
        let descriptor = Descriptor::new(media_type, content.len() as u64, digest);
        self.files.insert(format!("blobs/sha256/{sha256}"), content);
        Ok(descriptor)
    }
}

fn titled(mut descriptor: Descriptor, title: &str) -> Descriptor {
    let title = (
        "org.opencontainers.image.title".to_owned(),
        title.to_owned(),
    );
    descriptor.set_annotations(Some(HashMap::from([title])));
    descriptor
}

/// Returns the runtime configuration. The module accepts every root id, so it contains none.
fn runtime_config() -> Result<Vec<u8>> {
    canonical(&json!({
        "type": "envoy_proxy",
        "abiVersions": ["v0.2.1"],
        "config": {},
    }))
}

fn about(version: &str) -> HashMap<String, String> {
    [
        ("title", "evenkeel"),
        (
            "description",
            "Rebalances long-lived connections by draining them at safe points: a proxy-wasm module for Envoy",
        ),
        ("licenses", "Apache-2.0"),
        ("version", version),
    ]
    .map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()))
    .into()
}

/// Serializes with sorted keys: the types' maps have no order.
fn canonical(document: &impl Serialize) -> Result<Vec<u8>> {
    let mut value = serde_json::to_value(document)?;
    value.sort_all_objects();
    Ok(serde_json::to_vec(&value)?)
}
