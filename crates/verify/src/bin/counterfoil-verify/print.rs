//! What came out, for people and for programs.

use std::fmt::Write as _;
use std::process::ExitCode;

use counterfoil_verify::Signed;
use counterfoil_verify::check::{Level, Report};
use counterfoil_verify::text::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Findings shown to people; programs get all that are listed.
const SHOWN: usize = 20;

/// What was verified and what came out.
pub struct Outcome {
    what: &'static str,
    signed: Option<Signed>,
    report: Report,
    said: Vec<String>,
}

impl Outcome {
    pub const fn of_report(what: &'static str, signed: Option<Signed>, report: Report) -> Self {
        Self { what, signed, report, said: Vec::new() }
    }

    /// An outcome with one finding that ends everything.
    pub fn refused(what: &'static str, mut report: Report, kind: &'static str, why: String) -> Self {
        report.add(Level::L1, kind, None, why);
        Self::of_report(what, None, report)
    }

    pub fn saying(mut self, said: Vec<String>) -> Self {
        self.said = said;
        self
    }

    pub fn code(&self) -> ExitCode {
        ExitCode::from(u8::from(!self.report.is_clean()))
    }

    pub fn print(&self, json: bool) -> String {
        if json { format!("{}\n", self.json()) } else { self.text() }
    }

    fn json(&self) -> Value {
        let said: Vec<&String> = self.said.iter().chain(&self.report.said).collect();
        let Report { findings, more, leaves, entries, unopened, .. } = &self.report;
        let levels = Level::ALL.map(|level| {
            let found = findings.iter().filter(|f| f.level == level).count();
            json!({ "level": level.name(), "checked": self.report.checked(level), "findings": found })
        });
        let findings: Vec<Value> = findings
            .iter()
            .map(|f| json!({ "level": f.level.name(), "kind": f.kind, "seq": f.seq, "detail": f.detail }))
            .collect();
        let checkpoint = self.signed.as_ref().map(|s| {
            let witnesses: Vec<Value> = s.witnesses.iter().map(|w| json!({ "name": w.key.name(), "time": w.time })).collect();
            let c = &s.checkpoint;
            json!({ "origin": c.origin, "size": c.size, "root": hex(&c.root), "witnesses": witnesses })
        });
        json!({
            "ok": self.report.is_clean(), "what": self.what, "checkpoint": checkpoint, "leaves": leaves, "entries": entries,
            "unopened": unopened, "levels": levels, "findings": findings, "more": more, "said": said,
        })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let verdict = if self.report.is_clean() { "VERIFIED" } else { "NOT VERIFIED" };
        let _ = writeln!(out, "{verdict}");
        if let Some(Signed { checkpoint: c, witnesses, .. }) = &self.signed {
            let _ = writeln!(out, "  log {}, {} leaves, root {}", c.origin, c.size, hex(&c.root));
            for w in witnesses {
                let _ = writeln!(out, "  cosigned by {} at {} (seconds since 1970)", w.key.name(), w.time.unwrap_or_default());
            }
        }
        for line in self.said.iter().chain(&self.report.said) {
            let _ = writeln!(out, "  {line}");
        }
        for level in Level::ALL.into_iter().filter(|l| self.report.checked(*l) > 0) {
            let _ = writeln!(out, "  {}  {:<42} {:>12} checked", level.name(), level.words(), self.report.checked(level));
        }
        if self.report.unopened > 0 {
            let _ = writeln!(
                out,
                "  {} private parts are erased or were not handed over; the leaves commit to them",
                self.report.unopened
            );
        }
        for finding in self.report.findings.iter().take(SHOWN) {
            let at = finding.seq.map_or_else(String::new, |seq| format!(" leaf {seq}:"));
            let _ = writeln!(out, "  {} {}:{at} {}", finding.level.name(), finding.kind, finding.detail);
        }
        let hidden = (self.report.findings.len().saturating_sub(SHOWN)) as u64 + self.report.more;
        if hidden > 0 {
            let _ = writeln!(out, "  and {hidden} more; --json lists the first {}", counterfoil_verify::check::MAX_FINDINGS);
        }
        out
    }
}

/// The SHA-256 of a file, as events name it.
pub fn file_hash(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Whether a member of an event's body is this SHA-256.
pub fn names_file(body: &str, hash: &str) -> bool {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body.as_object().is_some_and(|members| members.values().any(|value| value == hash))
}
