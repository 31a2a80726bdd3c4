//! The way to the server. HTTP by [`ureq`](https://docs.rs/ureq); another client is a [`Transport`] of your own.

use std::time::Duration;

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds, if it was sent as a number.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// Posts one request and reads its answer. An error means that nobody knows whether it arrived.
pub trait Transport: Send + Sync {
    /// Posts JSON to a path of the server, with the key as bearer token.
    ///
    /// # Errors
    /// What happened, in words that hold neither the key nor the body.
    fn post(&self, path: &str, body: &str) -> Result<Response, String>;
}

#[cfg(feature = "ureq")]
pub(crate) mod http {
    use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

    use super::{Duration, Response, Transport};
    use crate::error::Error;

    /// Bytes of an answer that are read at most: more than any batch is answered with.
    const ANSWER_MAX: u64 = 32 << 20;

    pub(crate) struct Http {
        agent: ureq::Agent,
        url: String,
        bearer: String,
    }

    impl Http {
        pub fn new(url: &str, key: &str, timeout: Duration, ca_pem: Option<&[u8]>) -> Result<Http, Error> {
            let mut config = ureq::Agent::config_builder()
                .timeout_global(Some(timeout))
                .http_status_as_error(false)
                // The key goes to this server and to no other.
                .max_redirects(0)
                .user_agent(concat!("counterfoil-client/", env!("CARGO_PKG_VERSION")));
            if let Some(pem) = ca_pem {
                let roots = RootCerts::new_with_certs(&certificates(pem)?);
                config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
            }
            Ok(Http { agent: config.build().into(), url: url.to_owned(), bearer: format!("Bearer {key}") })
        }
    }

    fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, Error> {
        let unfit = |e: &dyn std::fmt::Display| Error::Invalid(format!("the certificates of the authority: {e}"));
        let mut found = Vec::new();
        for item in parse_pem(pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|e| unfit(&e))? {
                found.push(certificate);
            }
        }
        if found.is_empty() { Err(unfit(&"there is none in what was given as PEM")) } else { Ok(found) }
    }

    impl Transport for Http {
        fn post(&self, path: &str, body: &str) -> Result<Response, String> {
            let request = self.agent.post(format!("{}{path}", self.url)).header("authorization", &self.bearer);
            let mut answer = request.content_type("application/json").send(body.as_bytes()).map_err(|e| e.to_string())?;
            let seconds = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let body = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(|e| e.to_string())?;
            Ok(Response { status: answer.status().as_u16(), retry_after: seconds.map(Duration::from_secs), body })
        }
    }
}
