//! Checks the image layout by the specification's own types, in both formats that Istio pulls.

use std::collections::BTreeSet;
use std::io::Read;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use oci_spec::image::{
    Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, OciLayout,
};

use crate::dist::image::TAG;
use crate::dist::{IMAGE, Release, VERSION, sums};

/// Checks every blob.
///
/// # Errors
/// The first error in the layout.
pub fn check(release: &Release) -> Result<()> {
    let mut layout = Layout {
        release,
        seen: BTreeSet::from(["index.json".to_owned(), "oci-layout".to_owned()]),
    };
    let marker = OciLayout::from_reader(layout.file("oci-layout")?)?;
    ensure!(
        marker.image_layout_version() == "1.0.0",
        "oci-layout is {marker:?}"
    );
    let index = ImageIndex::from_reader(layout.file("index.json")?)?;
    ensure!(
        index.manifests().len() == 2,
        "{} images",
        index.manifests().len()
    );
    let module = release.get("evenkeel.wasm").context("no evenkeel.wasm")?;
    layout.artifact(&layout.tagged(&index, VERSION)?, module)?;
    layout.compat(
        &layout.tagged(&index, &format!("{VERSION}-compat"))?,
        module,
    )?;

    let prefix = format!("{IMAGE}/");
    let paths = release.keys().filter_map(|path| path.strip_prefix(&prefix));
    for path in paths {
        ensure!(
            layout.seen.contains(path),
            "nothing names {path} of the layout"
        );
    }
    Ok(())
}

struct Layout<'a> {
    release: &'a Release,
    seen: BTreeSet<String>,
}

impl<'a> Layout<'a> {
    fn file(&self, path: &str) -> Result<&'a [u8]> {
        let content = self.release.get(&format!("{IMAGE}/{path}"));
        Ok(content.with_context(|| format!("the layout has no {path}"))?)
    }

    fn tagged(&self, index: &ImageIndex, tag: &str) -> Result<Descriptor> {
        let is = |descriptor: &&Descriptor| {
            let annotations = descriptor.annotations().as_ref();
            annotations
                .and_then(|all| all.get(TAG))
                .is_some_and(|name| name == tag)
        };
        let found = index.manifests().iter().find(is);
        Ok(found
            .with_context(|| format!("no image is tagged {tag}"))?
            .clone())
    }

    /// Returns the content, if it has the length and the digest of the descriptor.
    fn blob(&mut self, descriptor: &Descriptor) -> Result<&'a [u8]> {
        let digest = descriptor
            .as_digest_sha256()
            .context("a digest of another kind")?;
        let path = format!("blobs/sha256/{digest}");
        let content = self.file(&path)?;
        ensure!(
            content.len() as u64 == descriptor.size(),
            "{path} is {} bytes",
            content.len()
        );
        ensure!(sums::sha256(content) == digest, "{path} has another digest");
        self.seen.insert(path);
        Ok(content)
    }

    fn manifest(&mut self, descriptor: &Descriptor) -> Result<ImageManifest> {
        let manifest = ImageManifest::from_reader(self.blob(descriptor)?)?;
        ensure!(
            manifest.media_type() == &Some(MediaType::ImageManifest)
                && descriptor.media_type() == &MediaType::ImageManifest,
            "a manifest calls itself {:?}",
            manifest.media_type()
        );
        Ok(manifest)
    }

    /// Checks that there are exactly two layers, and that the second is the module.
    fn artifact(&mut self, descriptor: &Descriptor, module: &[u8]) -> Result<()> {
        let manifest = self.manifest(descriptor)?;
        self.blob(manifest.config())?;
        let kinds: Vec<_> = manifest
            .layers()
            .iter()
            .map(|layer| layer.media_type().to_string())
            .collect();
        let expected = [
            "application/vnd.module.wasm.config.v1+json",
            "application/vnd.module.wasm.content.layer.v1+wasm",
        ];
        ensure!(kinds == expected, "the artifact's layers are {kinds:?}");
        let _runtime: serde_json::Value =
            serde_json::from_slice(self.blob(&manifest.layers()[0])?)?;
        ensure!(
            self.blob(&manifest.layers()[1])? == module,
            "the artifact holds another module"
        );
        Ok(())
    }

    /// Checks that the only layer has the module as its only file, and that the configuration has its uncompressed digest.
    fn compat(&mut self, descriptor: &Descriptor, module: &[u8]) -> Result<()> {
        let manifest = self.manifest(descriptor)?;
        let config = ImageConfiguration::from_reader(self.blob(manifest.config())?)?;
        let [layer] = manifest.layers().as_slice() else {
            anyhow::bail!("the compat image has {} layers", manifest.layers().len());
        };
        let kind = layer.media_type();
        ensure!(
            *kind == MediaType::ImageLayerGzip,
            "the compat image's layer is {kind}"
        );
        let mut tar = Vec::new();
        GzDecoder::new(self.blob(layer)?).read_to_end(&mut tar)?;
        let diff_ids = config.rootfs().diff_ids();
        let expected = [format!("sha256:{}", sums::sha256(&tar))];
        ensure!(
            diff_ids == &expected,
            "the configuration names {diff_ids:?}"
        );
        let mut files = tar::Archive::new(tar.as_slice());
        let mut found = Vec::new();
        for entry in files.entries()? {
            let mut entry = entry?;
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            found.push((entry.path()?.display().to_string(), content));
        }
        let expected = [("plugin.wasm".to_owned(), module.to_vec())];
        ensure!(
            found == expected,
            "the compat image's layer holds something else than the module"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::image::layout;

    fn release() -> Release {
        let module = b"\0asm\x01\0\0\0".to_vec();
        let files = layout(&module, VERSION).unwrap();
        let files = files
            .into_iter()
            .map(|(path, content)| (format!("{IMAGE}/{path}"), content));
        files
            .chain([("evenkeel.wasm".to_owned(), module)])
            .collect()
    }

    #[test]
    fn module_layout_is_reproducible() {
        check(&release()).unwrap();
        assert_eq!(release(), release());
    }

    #[test]
    fn wrong_missing_and_extra_blobs_are_reported() {
        let complete = release();
        for path in complete.keys() {
            let mut wrong = complete.clone();
            wrong.get_mut(path).unwrap()[0] ^= 1;
            assert!(check(&wrong).is_err(), "{path} is another");
            wrong.remove(path);
            assert!(check(&wrong).is_err(), "{path} is missing");
        }
        let mut more = complete;
        more.insert(format!("{IMAGE}/blobs/sha256/00"), Vec::new());
        assert!(check(&more).is_err());
    }
}
