//! What was asked for.

use std::path::Path;

use counterfoil_verify::text::{from_hex, unmarked};
use counterfoil_verify::{Found, Hash, Policy, VerifierKey, rotation};

use crate::read;

pub const USAGE: &str = "\
counterfoil-verify --key KEY [options] PATH
counterfoil-verify archive --key KEY [options] FOLDER

FOLDER is an archive of a closed range (docs/archive.md). PATH is an export (a folder, or a bundle .cfx), a proof (.tlog-proof), a proof
about an account (.heads-proof), or a checkpoint.

  --key KEY          verifier key of the log, from somewhere else than PATH;
                     several are keys that followed one another, the oldest first
  --policy FILE      keys, witnesses and known discontinuities in a file instead
  --origin NAME      the log it must be, when that is not the name of its key
  --rotation FILE    changes of the log's key that both keys signed, such as what
                     /log/rotations serves; those of an export are read by
                     themselves; repeatable
  --checkpoint FILE  a checkpoint kept from earlier (a mail, a report); repeatable
  --receipt FILE     the receipt whose leaf must be in the log
  --leaf HEX         the same, with the hash of the leaf
  --file FILE        a report that an event of the log must name by its SHA-256
  --json             the result for programs
  --help, --version

Exit codes: 0 everything is as it must be, 1 something is not, 2 could not run.
";

/// What was asked for.
#[derive(Debug, Default)]
pub struct Args {
    pub path: String,
    /// Whether it must be an archive.
    pub archive: bool,
    pub policy: Policy,
    pub origin: Option<String>,
    /// Names and contents of checkpoints kept from earlier.
    pub checkpoints: Vec<(String, Vec<u8>)>,
    /// Names and contents of changes of the key.
    pub rotations: Vec<(String, Vec<u8>)>,
    pub receipt: Option<Receipt>,
    /// Name and content of a file that an event must name.
    pub file: Option<(String, Vec<u8>)>,
    pub json: bool,
}

/// What a receipt says, as far as it can be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub seq: Option<u64>,
    pub leaf: Hash,
}

pub enum Parsed {
    Help,
    Version,
    Run(Box<Args>),
}

pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Parsed, String> {
    let mut args = Args::default();
    let (mut keys, mut policy, mut path) = (Vec::new(), None, None);
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word, None),
        };
        let mut value = || inline.clone().or_else(|| words.next()).ok_or(format!("{name} needs a value: see --help"));
        match name.as_str() {
            "--help" | "-h" => return Ok(Parsed::Help),
            "--version" | "-V" => return Ok(Parsed::Version),
            "--json" => args.json = true,
            "--key" => keys.push(value()?.parse::<VerifierKey>().map_err(|e| format!("--key: {e}"))?),
            "--policy" => once(&mut policy, &name, text(&value()?)?)?,
            "--origin" => once(&mut args.origin, &name, value()?)?,
            "--checkpoint" => {
                let (name, content) = named(value()?)?;
                args.checkpoints.extend(Found::notes_named(&name, &content));
            }
            "--rotation" => args.rotations.extend(rotations(named(value()?)?)),
            "--receipt" => once(&mut args.receipt, "--receipt or --leaf", receipt(&text(&value()?)?)?)?,
            "--leaf" => once(&mut args.receipt, "--receipt or --leaf", Receipt { seq: None, leaf: hash(&value()?)? })?,
            "--file" => once(&mut args.file, &name, named(value()?)?)?,
            other if other.starts_with('-') => return Err(format!("{other} is no option: see --help")),
            "archive" if path.is_none() && !args.archive => args.archive = true,
            _ if path.is_some() => return Err("one PATH at a time: see --help".into()),
            _ => path = Some(name),
        }
    }
    args.path = path.ok_or_else(|| format!("what is to be verified?\n\n{USAGE}"))?;
    args.policy = match (policy, keys.is_empty()) {
        (None, false) => Policy::of_keys(keys),
        (Some(text), true) => Policy::parse(&text).map_err(|e| e.to_string())?,
        (Some(_), false) => return Err("--key or --policy, not both: put the key into the policy".into()),
        (None, true) => {
            return Err("no key: give --key with the verifier key of the log, from the paper kept at installation \
             or from a person; a key from the export itself would prove nothing"
                .into());
        }
    };
    if args.policy.logs().is_empty() {
        return Err("the policy names no log: add a line `log KEY`".into());
    }
    Ok(Parsed::Run(Box::new(args)))
}

/// Takes what is given once: of two, one would not be looked at.
fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        Some(_) => Err(format!("{name} was given twice: verify one at a time")),
        None => Ok(()),
    }
}

fn named(path: String) -> Result<(String, Vec<u8>), String> {
    let content = read(Path::new(&path))?;
    Ok((path, content))
}

/// The changes of the key in a file, each by the file's name.
fn rotations((name, content): (String, Vec<u8>)) -> Vec<(String, Vec<u8>)> {
    match std::str::from_utf8(unmarked(&content)) {
        Ok(text) => rotation::each(text).into_iter().map(|one| (name.clone(), one.as_bytes().to_vec())).collect(),
        Err(_) => vec![(name, content)],
    }
}

fn text(path: &str) -> Result<String, String> {
    let content = read(Path::new(path))?;
    std::str::from_utf8(unmarked(&content)).map(str::to_owned).map_err(|_| format!("{path} is not UTF-8 text"))
}

fn hash(hex: &str) -> Result<Hash, String> {
    from_hex(hex).and_then(|b| b.try_into().ok()).ok_or_else(|| "a leaf hash is 64 hexadecimal digits in lower case".into())
}

fn receipt(text: &str) -> Result<Receipt, String> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|e| format!("the receipt is not JSON: {e}"))?;
    let missing = |name: &str| format!("the receipt has no `{name}`: give the whole answer to one entry");
    let leaf = hash(json.get("leaf").and_then(|l| l.as_str()).ok_or_else(|| missing("leaf"))?)?;
    let seq = json.get("seq").and_then(serde_json::Value::as_u64).ok_or_else(|| missing("seq"))?;
    Ok(Receipt { seq: Some(seq), leaf })
}
