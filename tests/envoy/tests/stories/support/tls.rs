//! Certificates with a workload identity, and transport sockets with them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};

const TYPES: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// The certificate authority of a mesh.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// The certificate of a workload, with its identity as a URI.
pub struct Identity {
    context: Value,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Without a name of its own, the certificates that it signs would look self-signed.
        params.distinguished_name.push(DnType::CommonName, "mesh");
        let certificate = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self {
            certificate,
            issuer,
        }
    }

    /// Issues a certificate for `uri`.
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
    /// Returns a transport socket with this identity that requires client certificates.
    pub fn downstream(&self) -> Value {
        let context = json!({
            "@type": format!("{TYPES}.DownstreamTlsContext"),
            "require_client_certificate": true,
            "common_tls_context": self.context,
        });
        json!({ "name": "tls", "typed_config": context })
    }

    /// Returns a transport socket with this identity for connections to servers.
    pub fn upstream(&self) -> Value {
        let context = json!({
            "@type": format!("{TYPES}.UpstreamTlsContext"),
            "common_tls_context": self.context,
        });
        json!({ "name": "tls", "typed_config": context })
    }
}
