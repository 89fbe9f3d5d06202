//! The releases of Envoy that the module is tested in.

/// A release and its accepted wheels.
pub struct Release {
    pub version: &'static str,
    /// The sha256 of the wheels for manylinux_2_31_x86_64, manylinux_2_31_aarch64 and macosx_15_0_arm64.
    pub sha256: [&'static str; 3],
}

/// The newest release with V8 of each minor version, oldest first. 1.38.3 has no V8, and versions
/// before 1.36 have no wheels.
pub const RELEASES: [Release; 5] = [
    Release {
        version: "1.36.4",
        sha256: [
            "86dfc14ae7fad32de3b3ace54fbd400187c3b4fd6731781ff5bc633fa133f3f9",
            "05b06a19c4f6499c752f1a5a034a02752f0cdbd0422c3d8eb515237a36e82cd2",
            "c2db4ce7214ac9a32e45127c419f4db30a0ab0039885ba4e111d581e6edff9aa",
        ],
    },
    Release {
        version: "1.37.0",
        sha256: [
            "bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc",
            "ee3e51fb44bb8f1a7053556b6e216ecd7a92cae07d092cd8315bd336586bd315",
            "0a13ed54d40c199e920d3f8df59210a7c38eaed9009fd4e5d94fe2603576b94e",
        ],
    },
    Release {
        version: "1.38.2",
        sha256: [
            "c1e2e293364686e3ee79b32f9743bb1f7fd40c196945cb9062fbb25655d35188",
            "8b1b1bea393578e886a26350e3ab8738a066372869e82f54be464f4a914c9df4",
            "68b245187023786a4c74be3f57c494442482512bd2449e299ef170c5816db17b",
        ],
    },
    Release {
        version: "1.39.3",
        sha256: [
            "ee848b81b10b86f1d919f793b75852d24884928f2733752b4443bcd66d7bc5a6",
            "2c624b8623c132e05f6f615f2e34b34fcdd1fdd0aaef065b3af55697178d2a50",
            "6934b8d3109c03bf60c81a6a3085033e5168f66fac105b4899a3b0516ecae900",
        ],
    },
    Release {
        version: "1.40.0",
        sha256: [
            "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
            "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
            "985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf",
        ],
    },
];

/// The release that tests and the demo use.
pub const PINNED: &str = "1.40.0";

/// Returns the releases before it.
pub fn older() -> impl Iterator<Item = &'static str> {
    let versions = RELEASES.iter().map(|release| release.version);
    versions.filter(|version| *version != PINNED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_version_is_listed() {
        assert_eq!(older().count(), RELEASES.len() - 1);
    }
}
