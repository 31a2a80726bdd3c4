//! The log's side: asks a witness to sign the newest checkpoint.

use std::time::Duration;

use counterfoil_verify::{Hash, Note, VerifierKey};

use super::{BODY_MAX, Request};

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Other sizes it may name before it is given up.
const TRIES: usize = 3;

/// Why a witness did not sign.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It could not be reached.
    #[error("the witness {0} cannot be reached: {1}")]
    Unreachable(String, Box<ureq::Error>),
    /// It refused.
    #[error("the witness {url} answered {status}: {words}")]
    Refused {
        /// Its address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Its words, cut.
        words: String,
    },
    /// It answered with something that is no signature of its key.
    #[error("the witness {0} did not sign with the key it is known by: {1}")]
    Signature(String, String),
    /// The log could not supply a proof.
    #[error("{0}")]
    Proof(String),
}

/// What a witness has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// When, as it says, in seconds since 1970.
    pub time: u64,
    /// The line of its signature, without its end.
    pub line: String,
}

/// Asks the witness at `url` to sign `note`, the log's newest checkpoint. `known` is the size it last
/// signed, 0 at first; `prove` gives the consistency proof from a size.
///
/// # Errors
/// When it cannot be reached, or does not sign.
pub fn cosign(
    url: &str,
    key: &VerifierKey,
    note: &Note,
    mut known: u64,
    prove: impl Fn(u64) -> Result<Vec<Hash>, String>,
) -> Result<Cosigned, ClientError> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
    let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
    let mut last = (0, String::new());
    for _ in 0..TRIES {
        let request = Request { old: known, proof: prove(known).map_err(ClientError::Proof)?, note: note.clone() };
        let answer = agent.post(&address).content_type("text/plain").send(request.body());
        let mut answer = answer.map_err(|e| ClientError::Unreachable(url.to_owned(), Box::new(e)))?;
        let status = answer.status().as_u16();
        let read = answer.body_mut().with_config().limit(BODY_MAX as u64).read_to_string();
        let text = read.map_err(|e| ClientError::Unreachable(url.to_owned(), Box::new(e)))?;
        match (status, text.trim().parse()) {
            (200, _) => return signed_at(url, key, note, &text),
            (409, Ok(size)) if size != known => known = size,
            _ => last = (status, text),
        }
        if last.0 != 0 {
            break;
        }
    }
    let words = last.1.chars().filter(|c| !c.is_control()).take(200).collect();
    Err(ClientError::Refused { url: url.to_owned(), status: last.0, words })
}

/// The cosignature, if it is one of this note by this key.
fn signed_at(url: &str, key: &VerifierKey, note: &Note, lines: &str) -> Result<Cosigned, ClientError> {
    let wrong = |e: String| ClientError::Signature(url.to_owned(), e);
    let whole = Note::parse(format!("{}\n{lines}", note.unverified_text())).map_err(|e| wrong(e.to_string()))?;
    let opened = whole.open(std::slice::from_ref(key)).map_err(|e| wrong(e.to_string()))?;
    let time = opened.signers.iter().find_map(|signer| signer.time).ok_or_else(|| wrong("it states no time".into()))?;
    let own = whole.signatures().iter().find(|signature| signature.name == key.name() && signature.id == key.id());
    let line = own.map(ToString::to_string).ok_or_else(|| wrong("its line is missing".into()))?;
    Ok(Cosigned { time, line })
}
