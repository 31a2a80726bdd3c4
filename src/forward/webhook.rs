//! A signed webhook: one POST per delivery, signed as in Standard Webhooks
//! (<https://www.standardwebhooks.com/>).

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::Sha256;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::clock::{Moment, SECOND};
use crate::config::Forward;

use super::record::Record;

/// How long the receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the shortest secret.
const SECRET_MIN: usize = 24;

pub(super) struct Webhook {
    url: String,
    secret: Vec<u8>,
    agent: ureq::Agent,
}

impl Webhook {
    pub fn new(settings: &Forward) -> Result<Webhook, String> {
        let secret = secret(&settings.secret_file)?;
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("counterfoil/", env!("CARGO_PKG_VERSION")));
        if !settings.ca_file.is_empty() {
            let unread = |e: &dyn std::fmt::Display| format!("ca_file {}: {e}", settings.ca_file);
            let mut roots = Vec::new();
            for certificate in CertificateDer::pem_file_iter(Path::new(&settings.ca_file)).map_err(|e| unread(&e))? {
                roots.push(Certificate::from_der(&certificate.map_err(|e| unread(&e))?).to_owned());
            }
            config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build());
        }
        Ok(Webhook { url: settings.url.clone(), secret, agent: config.build().into() })
    }

    /// Sends the records as one JSON array; any 2xx confirms all of them.
    pub fn send(&self, records: &[Record], now: Moment, body: impl Fn(&Record) -> String) -> Result<(), String> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
        let bodies: Vec<String> = records.iter().map(body).collect();
        let payload = format!("[{}]", bodies.join(","));
        // The same records have the same id, so that the receiver knows a repetition.
        let id = format!("{}_{}_{}", hex::encode(&first.leaf[..8]), first.seq, last.seq);
        let seconds = now.0.div_euclid(SECOND);
        let answer = self
            .agent
            .post(&self.url)
            .content_type("application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature(&self.secret, &id, seconds, &payload))
            .send(payload.as_bytes());
        let answer = answer.map_err(|e| e.to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("it answered {status}")),
        }
    }
}

/// The key in a file: `whsec_` and base64, or the text as it is.
fn secret(file: &str) -> Result<Vec<u8>, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("secret_file {file}: {e}"))?;
    let secret = match text.trim().strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|e| format!("secret_file {file}: {e}"))?,
        None => text.trim().as_bytes().to_vec(),
    };
    if secret.len() < SECRET_MIN {
        return Err(format!("secret_file {file}: the secret has {} bytes; take at least {SECRET_MIN} random ones", secret.len()));
    }
    Ok(secret)
}

/// `v1,` and the HMAC-SHA-256 over id, time and payload.
pub(super) fn signature(secret: &[u8], id: &str, seconds: i64, payload: &str) -> String {
    // Any length is a key to HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(format!("{id}.{seconds}.{payload}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}
