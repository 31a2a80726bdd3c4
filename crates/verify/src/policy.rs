//! Whom to trust: the keys of the log, the witnesses, and how many of them must have signed.
//!
//! A policy file is a C2SP tlog-policy (`log`, `witness`, `group`, `quorum`) with one more kind of
//! line: `discontinuity KEY` accepts a key of the log that the one before it never signed beside.
//! Several `log` lines with one name are keys that followed one another, in this order.

use std::error::Error;
use std::fmt;

use crate::key::{Algorithm, VerifierKey};
use crate::note::SignedBy;
use crate::rotation::{self, Rotation};

/// Most lines of each kind.
pub const MAX_LINES: usize = 64;

/// What is wrong with a policy file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "the policy {}", self.what),
            line => write!(f, "line {line} of the policy {}", self.what),
        }
    }
}

impl Error for PolicyError {}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Witness(VerifierKey),
    Group { least: usize, members: Vec<usize> },
}

/// Whom to trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    /// Those of them that the caller listed; what followed by changes is not among them.
    listed: Vec<VerifierKey>,
    discontinuities: Vec<VerifierKey>,
    /// Changes of the key that were followed.
    rotations: Vec<Rotation>,
    /// Witnesses and groups by name; a group names earlier ones by their place.
    members: Vec<(String, Member)>,
    quorum: Option<usize>,
}

impl Policy {
    /// Trusts these keys of the log, and asks for no witness.
    #[must_use]
    pub const fn of_keys(logs: Vec<VerifierKey>) -> Self {
        Self { logs, listed: Vec::new(), discontinuities: Vec::new(), rotations: Vec::new(), members: Vec::new(), quorum: None }
    }

    /// Reads a policy file.
    ///
    /// # Errors
    /// When a line cannot be understood, or the quorum is missing.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut policy = Self::default();
        let mut quorum = None;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, number) in text.lines().zip(1..) {
            let words: Vec<&str> = line.split([' ', '\t']).filter(|w| !w.is_empty()).collect();
            if words.first().is_none_or(|w| w.starts_with('#')) {
                continue;
            }
            let wrong = |what: String| PolicyError { line: number, what };
            match words[..] {
                ["quorum", _] if quorum.is_some() => return Err(wrong("is a second quorum: keep one".into())),
                ["quorum", name] => quorum = Some(policy.quorum_of(name).map_err(wrong)?),
                _ => policy.line(&words).map_err(wrong)?,
            }
        }
        let missing = PolicyError { line: 0, what: "has no `quorum` line: write `quorum none` to ask for no witness".into() };
        policy.quorum = quorum.ok_or(missing)?;
        Ok(policy)
    }

    /// Trusts also the keys that follow from those of the log by changes that both keys signed.
    #[must_use]
    pub fn following(mut self, rotations: &[Rotation]) -> Self {
        self.listed.clone_from(&self.logs);
        self.rotations = rotation::follow(&mut self.logs, rotations);
        self
    }

    /// The changes of the key that were followed.
    #[must_use]
    pub fn rotations(&self) -> &[Rotation] {
        &self.rotations
    }

    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["log", key] | ["log", key, _] => {
                let key = parse_key(key, Algorithm::Ed25519)?;
                distinct(self.logs.iter(), &key)?;
                self.logs.push(key);
            }
            ["discontinuity", key] => self.discontinuities.push(parse_key(key, Algorithm::Ed25519)?),
            ["witness", name, key] | ["witness", name, key, _] => {
                let key = parse_key(key, Algorithm::Cosignature)?;
                distinct(self.witnesses(), &key)?;
                self.define(name, Member::Witness(key))?;
            }
            ["group", name, least, members @ ..] if !members.is_empty() => {
                let places = members.iter().map(|m| self.find(m)).collect::<Result<Vec<_>, _>>()?;
                let least = match *least {
                    "any" => 1,
                    "all" => places.len(),
                    number => number.parse().map_err(|_| format!("has `{number}` for a number"))?,
                };
                let nested = self
                    .members
                    .iter()
                    .any(|(_, m)| matches!(m, Member::Group { members, .. } if members.iter().any(|p| places.contains(p))));
                if nested || (1..places.len()).any(|i| places[..i].contains(&places[i])) {
                    return Err("names a member that is in a group already: each counts once".into());
                }
                if least == 0 || least > places.len() {
                    return Err(format!("asks for {least} of {} members", places.len()));
                }
                self.define(name, Member::Group { least, members: places })?;
            }
            _ => return Err("is neither log, witness, group, quorum nor discontinuity with its parts".into()),
        }
        let lines = self.logs.len().max(self.members.len()).max(self.discontinuities.len());
        if lines > MAX_LINES { Err(format!("is one too many: the most of a kind is {MAX_LINES}")) } else { Ok(()) }
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), String> {
        if name == "none" || self.members.iter().any(|(n, _)| n == name) {
            return Err(format!("names `{name}`, which is taken"));
        }
        self.members.push((name.to_owned(), member));
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize, String> {
        let place = self.members.iter().position(|(n, _)| n == name);
        place.ok_or_else(|| format!("names `{name}`, which no line before it defines"))
    }

    fn quorum_of(&self, name: &str) -> Result<Option<usize>, String> {
        if name == "none" { Ok(None) } else { self.find(name).map(Some) }
    }

    /// The keys of the log, in the order in which they followed one another.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The keys of the log that the caller listed, in the order in which they followed one another.
    #[must_use]
    pub fn listed(&self) -> &[VerifierKey] {
        if self.listed.is_empty() { &self.logs } else { &self.listed }
    }

    /// Whether changes that were followed lead from one key to another.
    #[must_use]
    pub fn leads(&self, from: &VerifierKey, to: &VerifierKey) -> bool {
        let mut at = from;
        // Each key is replaced at most once; so many steps see every change.
        for _ in &self.rotations {
            match self.rotations.iter().find(|r| r.old == *at) {
                Some(r) if r.new == *to => return true,
                Some(r) => at = &r.new,
                None => return false,
            }
        }
        false
    }

    /// The keys of the witnesses.
    pub fn witnesses(&self) -> impl Iterator<Item = &VerifierKey> {
        self.members.iter().filter_map(|(_, m)| match m {
            Member::Witness(key) => Some(key),
            Member::Group { .. } => None,
        })
    }

    /// All keys: what a note is opened with.
    #[must_use]
    pub fn trusted(&self) -> Vec<VerifierKey> {
        self.logs.iter().chain(self.witnesses()).cloned().collect()
    }

    /// Whether this key of the log may stand without the signature of the one before it.
    #[must_use]
    pub fn accepts_discontinuity(&self, key: &VerifierKey) -> bool {
        self.discontinuities.contains(key)
    }

    /// Whether enough witnesses are among the signers.
    #[must_use]
    pub fn quorum_met(&self, signers: &[SignedBy]) -> bool {
        self.quorum.is_none_or(|place| self.met(place, signers))
    }

    /// Groups name earlier members only, so this ends.
    fn met(&self, place: usize, signers: &[SignedBy]) -> bool {
        match self.members.get(place) {
            Some((_, Member::Witness(key))) => signers.iter().any(|s| s.key == *key),
            Some((_, Member::Group { least, members })) => members.iter().filter(|m| self.met(**m, signers)).count() >= *least,
            None => false,
        }
    }
}

fn parse_key(text: &str, algorithm: Algorithm) -> Result<VerifierKey, String> {
    let key: VerifierKey = text.parse().map_err(|e| format!("has a key that cannot be used: {e}"))?;
    if key.algorithm() == algorithm {
        return Ok(key);
    }
    Err("has a key of the other kind: a log's has the algorithm 0x01, a witness' 0x04".into())
}

fn distinct<'a>(mut keys: impl Iterator<Item = &'a VerifierKey>, key: &VerifierKey) -> Result<(), String> {
    if keys.any(|k| k.public() == key.public()) { Err("names a key for the second time".into()) } else { Ok(()) }
}
