//! Certificates that name who shows them, and transport sockets with them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};

const TYPES: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// Who signs the certificates of a mesh.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with one URI in it, as a mesh gives it to a workload.
pub struct Identity {
    context: Value,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Or what it signs would seem to have signed itself: they would have one name.
        params.distinguished_name.push(DnType::CommonName, "mesh");
        let certificate = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self {
            certificate,
            issuer,
        }
    }

    /// Signs a certificate for `uri`.
    pub fn identity(&self, uri: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let context = json!({
            "tls_certificates": [{
                "certificate_chain": { "inline_string": certificate },
                "private_key": { "inline_string": key.serialize_pem() },
            }],
            "validation_context": { "trusted_ca": { "inline_string": self.certificate } },
        });
        Identity { context }
    }
}

impl Identity {
    /// Shows this identity to clients, and wants to see theirs.
    pub fn downstream(&self) -> Value {
        let context = json!({
            "@type": format!("{TYPES}.DownstreamTlsContext"),
            "require_client_certificate": true,
            "common_tls_context": self.context,
        });
        json!({ "name": "tls", "typed_config": context })
    }

    /// Shows this identity to servers.
    pub fn upstream(&self) -> Value {
        let context = json!({
            "@type": format!("{TYPES}.UpstreamTlsContext"),
            "common_tls_context": self.context,
        });
        json!({ "name": "tls", "typed_config": context })
    }
}
