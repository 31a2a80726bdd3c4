//! Single files: a proof, a proof about an account, a checkpoint.

use std::path::Path;

use counterfoil_verify::check::{Level, Report, follow_rotations, open_notes};
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::found::Proof;
use counterfoil_verify::generation;
use counterfoil_verify::heads::Head;
use counterfoil_verify::heads_proof::HeadsProof;
use counterfoil_verify::text::hex;
use counterfoil_verify::{Found, Note, Origin, Policy, Signed, TlogProof, leaf};

use crate::args::Args;
use crate::export::followed;
use crate::print::{Outcome, file_hash, names_file};

fn origin(args: &Args) -> Origin<'_> {
    args.origin.as_deref().map_or(Origin::OfKey, Origin::Is)
}

/// A proof, and the notes of the same file: those that are not its own checkpoint are held against it.
pub fn verify(args: &Args, proof: &Proof, notes: &[String]) -> Result<Outcome, String> {
    let beside = |own: &Note| {
        let others = notes.iter().filter(|note| **note != own.to_string()).zip(1..);
        let others =
            others.map(|(note, n)| (format!("{}, checkpoint {n} beside the proof", args.path), note.clone().into_bytes()));
        others.chain(args.checkpoints.iter().cloned()).collect::<Vec<_>>()
    };
    match proof {
        Proof::Leaf(text) => verify_leaf(args, text, beside),
        Proof::Account(text) => verify_head(args, text, beside),
    }
}

/// A proof of one leaf. Which leaf comes from a receipt, or from the proof's own extra data, which
/// then count because their hash is what is proven.
fn verify_leaf(args: &Args, content: &str, beside: impl Fn(&Note) -> Vec<(String, Vec<u8>)>) -> Result<Outcome, String> {
    let mut report = Report::default();
    report.note(Level::L1, 1);
    let proof = match TlogProof::parse(content) {
        Ok(proof) => proof,
        Err(e) => return Ok(Outcome::refused("proof", report, "proof_unreadable", e.to_string())),
    };
    let carried = proof.extra.as_deref().map(leaf::hash);
    let Some(hash) = args.receipt.map(|r| r.leaf).or(carried) else {
        return Err("the proof does not say of which leaf: give --receipt FILE or --leaf HEX".into());
    };
    let mut said = Vec::new();
    let kept = beside(&proof.checkpoint);
    let Some((policy, signed)) = signed(args, &proof.checkpoint, &kept, &mut report, &mut said) else {
        return Ok(Outcome::of_report("proof", None, report));
    };
    if let Err(e) = proof.verify(&hash, &policy.trusted(), origin(args)) {
        return Ok(Outcome::refused("proof", report, "not_proven", e.to_string()));
    }
    said.insert(0, format!("leaf {} ({}) is in this log", proof.index, hex(&hash)));
    if args.receipt.and_then(|r| r.seq).is_some_and(|seq| seq != proof.index) {
        report.add(Level::L1, "receipt_unknown", proof.index, "the receipt names another place than the proof");
    }
    let bytes = proof.extra.as_deref().filter(|bytes| leaf::hash(bytes) == hash);
    if carried.is_some() && bytes.is_none() {
        said.push("the leaf in `extra` is not the one that is proven: nothing in it counts".to_owned());
    }
    let leaf = bytes.map(decode).transpose().unwrap_or_else(|why| {
        report.add(Level::L3, "leaf_unreadable", proof.index, why.to_string());
        None
    });
    if let Some(leaf) = &leaf {
        said.insert(1, describe(leaf));
        let of = &signed.checkpoint.origin;
        if leaf.origin() != of && !generation::precedes(leaf.origin(), of) {
            report.add(Level::L3, "origin_differs", proof.index, format!("the leaf is of the log {}", leaf.origin()));
        }
        if u64::try_from(leaf.seq()) != Ok(proof.index) {
            report.add(Level::L3, "seq_differs", proof.index, format!("the leaf says that it is number {}", leaf.seq()));
        }
    }
    file(args, leaf.as_ref(), proof.index, &mut report, &mut said);
    Ok(Outcome::of_report("proof", Some(signed), report).saying(said))
}

/// A proof of an account's last entry, or that it has none.
fn verify_head(args: &Args, content: &str, beside: impl Fn(&Note) -> Vec<(String, Vec<u8>)>) -> Result<Outcome, String> {
    let mut report = Report::default();
    report.note(Level::L1, 1);
    let proof = match HeadsProof::parse(content) {
        Ok(proof) => proof,
        Err(e) => return Ok(Outcome::refused("account", report, "proof_unreadable", e.to_string())),
    };
    let mut said = Vec::new();
    let kept = beside(&proof.proof.checkpoint);
    let Some((policy, signed)) = signed(args, &proof.proof.checkpoint, &kept, &mut report, &mut said) else {
        return Ok(Outcome::of_report("account", None, report));
    };
    let proven = match proof.verify(&policy.trusted(), origin(args), &[]) {
        Ok(proven) => proven,
        Err(e) => return Ok(Outcome::refused("account", report, "not_proven", e.to_string())),
    };
    let (account, close) = (proof.account, &proven.close);
    let when = format!("at the close of {} ({} leaves, event {})", close.business_date, close.size, proven.event);
    let what = match &proven.head {
        Some(head) => format!("entry {} (position {}) was the last of account {account} {when}", head.seq, head.position),
        None => format!("account {account} had no entry {when}"),
    };
    said.insert(0, what);
    if let Some(receipt) = &args.receipt {
        let is = |head: &Head| head.leaf == receipt.leaf && receipt.seq.is_none_or(|seq| u64::try_from(head.seq) == Ok(seq));
        if !proven.head.as_ref().is_some_and(is) {
            let text = "the leaf of the receipt is not the last entry that is proven";
            report.add(Level::L1, "receipt_unknown", receipt.seq, text);
        }
    }
    file(args, decode(&proof.event).ok().as_ref(), proof.proof.index, &mut report, &mut said);
    Ok(Outcome::of_report("account", Some(signed), report).saying(said))
}

/// A file named as a proof in which there is none.
pub fn no_proof(path: &Path) -> Outcome {
    let why = format!("{} holds no proof that can be read: take the file as it was handed out", path.display());
    Outcome::refused("proof", Report::default(), "proof_unreadable", why)
}

/// A checkpoint alone: only whose it is.
pub fn verify_checkpoint(args: &Args, content: &[u8]) -> Result<Outcome, String> {
    if args.receipt.is_some() || args.file.is_some() {
        return Err(format!(
            "{} is neither an export, an archive nor a proof: a checkpoint alone says nothing about a leaf, a receipt or a \
             file; give the proof or the export as PATH, and the checkpoint with --checkpoint",
            args.path
        ));
    }
    let mut report = Report::default();
    let mut kept = Found::notes_named(&args.path, content);
    let (name, last) = kept.pop().unwrap_or_default();
    let note = match Note::parse(&last) {
        Ok(note) => note,
        Err(e) => {
            report.note(Level::L0, 1);
            return Ok(Outcome::refused("checkpoint", report, "checkpoint_untrusted", format!("{name}: {e}")));
        }
    };
    let mut said = vec!["the signature is the log's; hold an export against it to learn more".to_owned()];
    if kept.is_empty() && last != content {
        said.push("it was found among other words, or quoted: of those nothing was verified".to_owned());
    }
    kept.extend(args.checkpoints.iter().cloned());
    let signed = signed(args, &note, &kept, &mut report, &mut said).map(|(_, signed)| signed);
    let said = if signed.is_some() { said } else { Vec::new() };
    Ok(Outcome::of_report("checkpoint", signed, report).saying(said))
}

/// The checkpoint of a note, held against the policy and those kept from earlier; with the policy as changes of the
/// key lead on from it. Nothing when it cannot be relied on.
fn signed(
    args: &Args,
    note: &Note,
    kept: &[(String, Vec<u8>)],
    report: &mut Report,
    said: &mut Vec<String>,
) -> Option<(Policy, Signed)> {
    let policy = follow_rotations(args.policy.clone(), &args.rotations, report);
    let opened = open_notes(&policy, args.origin.as_deref(), note.to_string().as_bytes(), kept, report)?;
    if opened.compare(report) && !kept.is_empty() {
        said.push("checkpoints of other sizes were given: only an export can be held against those".to_owned());
    }
    said.extend(policy.rotations().iter().map(followed));
    Some((policy, opened.newest))
}

/// Whether the event that is proven names the file of `--file`.
fn file(args: &Args, leaf: Option<&Leaf<'_>>, seq: u64, report: &mut Report, said: &mut Vec<String>) {
    let Some((name, content)) = &args.file else { return };
    match leaf {
        Some(Leaf::Event(_, event)) if names_file(event.body, &file_hash(content)) => {
            said.push(format!("{name} is the file it names"));
        }
        _ => report.add(Level::L1, "file_unknown", seq, format!("the proven leaf does not name {name} by its SHA-256")),
    }
}

fn describe(leaf: &Leaf<'_>) -> String {
    match leaf {
        Leaf::Entry(_, e) => {
            let sign = if e.direction < 0 { "-" } else { "" };
            format!("it is the entry `{}`: {sign}{} {} in minor units, account {}", e.source_ref, e.amount, e.currency, e.account)
        }
        Leaf::Event(_, e) => format!("it is the event {}: {}", e.kind, e.body),
    }
}
