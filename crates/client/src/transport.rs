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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

    use super::{Duration, Response, Transport};
    use crate::error::Error;

    /// Bytes of an answer that are read at most: more than any batch is answered with.
    const ANSWER_MAX: u64 = 32 << 20;

    /// Posts to one of the addresses that were given: to the one that led last.
    pub(crate) struct Http {
        agent: ureq::Agent,
        urls: Vec<String>,
        /// Which of them is asked first.
        first: AtomicUsize,
        bearer: String,
    }

    /// What is read of an answer that names the leader.
    #[derive(serde::Deserialize)]
    struct StandsBy {
        leader: String,
    }

    impl Http {
        pub fn new(urls: &[&str], key: &str, timeout: Duration, ca_pem: Option<&[u8]>) -> Result<Http, Error> {
            let mut config = ureq::Agent::config_builder()
                .timeout_global(Some(timeout))
                .http_status_as_error(false)
                // The key goes where the caller sends it and nowhere else.
                .max_redirects(0)
                .user_agent(concat!("counterfoil-client/", env!("CARGO_PKG_VERSION")));
            if let Some(pem) = ca_pem {
                let roots = RootCerts::new_with_certs(&certificates(pem)?);
                config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
            }
            let urls = urls.iter().map(|url| (*url).to_owned()).collect();
            Ok(Http { agent: config.build().into(), urls, first: AtomicUsize::new(0), bearer: format!("Bearer {key}") })
        }

        fn post_to(&self, url: &str, path: &str, body: &str) -> Result<Response, String> {
            let request = self.agent.post(format!("{url}{path}")).header("authorization", &self.bearer);
            let mut answer = request.content_type("application/json").send(body.as_bytes()).map_err(|e| e.to_string())?;
            let seconds = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let body = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(|e| e.to_string())?;
            Ok(Response { status: answer.status().as_u16(), retry_after: seconds.map(Duration::from_secs), body })
        }

        /// Which address the answer sends us to, if it is one that was given.
        fn leader(&self, response: &Response) -> Option<usize> {
            let named = (response.status == 503).then(|| serde_json::from_slice::<StandsBy>(&response.body).ok())??;
            let leader = origin(&named.leader)?;
            self.urls.iter().position(|url| origin(url).as_ref() == Some(&leader))
        }
    }

    /// Scheme, host and port, in one way of writing.
    fn origin(url: &str) -> Option<(String, String)> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let authority = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
        let port = match scheme.as_str() {
            "https" => ":443",
            _ => ":80",
        };
        let bare = authority.strip_suffix(port).unwrap_or(&authority);
        (!bare.is_empty() && !bare.contains('@')).then(|| (scheme, bare.to_owned()))
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
            let mut at = self.first.load(Ordering::Relaxed).min(self.urls.len() - 1);
            // Each address once, and once more whoever leads by then.
            for left in (0..=self.urls.len()).rev() {
                let answer = self.post_to(&self.urls[at], path, body);
                let next = match &answer {
                    Ok(response) => self.leader(response).filter(|leader| *leader != at),
                    Err(_) => Some((at + 1) % self.urls.len()).filter(|next| *next != at),
                };
                match next {
                    Some(next) if left > 0 => at = next,
                    next => {
                        self.first.store(next.unwrap_or(at), Ordering::Relaxed);
                        return answer;
                    }
                }
            }
            Err("no address was given".to_owned())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_leader_is_followed_only_to_an_address_that_was_given() {
            let http = Http::new(&["https://a.example/b/retail", "https://B.example:443"], "K", Duration::from_secs(1), None);
            let Ok(http) = http else { unreachable!("both are addresses") };
            let named = |status: u16, leader: &str| {
                let body = format!(r#"{{"status":503,"code":"stand_by","detail":"","leader":"{leader}"}}"#).into_bytes();
                http.leader(&Response { status, retry_after: None, body })
            };
            assert_eq!(named(503, "https://b.example"), Some(1));
            assert_eq!(named(503, "https://a.example:443/"), Some(0));
            for other in [
                "https://c.example",
                "http://b.example",
                "https://b.example:8443",
                "https://b.example.evil.example",
                "https://b.example@evil.example",
                "https://evil.example/https://b.example",
                "//b.example",
                "",
            ] {
                assert_eq!(named(503, other), None, "{other}");
            }
            assert_eq!(named(200, "https://b.example"), None);
        }
    }
}
