//! Single files: a proof, a proof about an account, a checkpoint.

use counterfoil_verify::check::{Level, Report, follow_rotations, open_notes};
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::generation;
use counterfoil_verify::heads_proof::HeadsProof;
use counterfoil_verify::rotation::retired_at;
use counterfoil_verify::text::hex;
use counterfoil_verify::{Note, Origin, Policy, TlogProof, leaf};

use crate::args::Args;
use crate::print::{Outcome, file_hash, names_file};

fn origin(args: &Args) -> Origin<'_> {
    args.origin.as_deref().map_or(Origin::OfKey, Origin::Is)
}

/// A proof of one leaf. Which leaf comes from a receipt, or from the proof's own extra data, which
/// then count because their hash is what is proven.
pub fn verify_leaf(args: &Args, content: &[u8]) -> Result<Outcome, String> {
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
    let policy = trusting(args, &mut report);
    let signed = match proof.verify(&hash, &policy.trusted(), origin(args)) {
        Ok(signed) => signed,
        Err(e) => return Ok(Outcome::refused("proof", report, "not_proven", e.to_string())),
    };
    let mut said = vec![format!("leaf {} ({}) is in this log", proof.index, hex(&hash))];
    if args.receipt.and_then(|r| r.seq).is_some_and(|seq| seq != proof.index) {
        report.add(Level::L1, "receipt_unknown", proof.index, "the receipt names another place than the proof");
    }
    let bytes = proof.extra.as_deref().filter(|bytes| leaf::hash(bytes) == hash);
    if carried.is_some() && bytes.is_none() {
        said.push("the leaf in `extra` is not the one that is proven: nothing in it counts".to_owned());
    }
    let leaf = bytes.and_then(|bytes| decode(bytes).ok());
    if let Some(leaf) = &leaf {
        said.push(describe(leaf));
        let of = &signed.checkpoint.origin;
        let own =
            (leaf.origin() == of || generation::precedes(leaf.origin(), of)) && u64::try_from(leaf.seq()) == Ok(proof.index);
        if !own {
            report.add(Level::L3, "seq_differs", proof.index, "the leaf says it stands elsewhere");
        }
    }
    if let Some((name, content)) = &args.file {
        match leaf {
            Some(Leaf::Event(_, event)) if names_file(event.body, &file_hash(content)) => {
                said.push(format!("{name} is the file it names"))
            }
            _ => {
                report.add(Level::L1, "file_unknown", proof.index, format!("the proven leaf does not name {name} by its SHA-256"))
            }
        }
    }
    Ok(finish(&policy, "proof", signed, report, said))
}

/// A proof of an account's last entry, or that it has none.
pub fn verify_head(args: &Args, content: &[u8]) -> Result<Outcome, String> {
    let mut report = Report::default();
    report.note(Level::L1, 1);
    let policy = trusting(args, &mut report);
    let proven =
        HeadsProof::parse(content).and_then(|proof| Ok((proof.account, proof.verify(&policy.trusted(), origin(args), &[])?)));
    let (account, proven) = match proven {
        Ok(proven) => proven,
        Err(e) => return Ok(Outcome::refused("account", report, "not_proven", e.to_string())),
    };
    let when = format!("at the close of {} ({} leaves, event {})", proven.close.business_date, proven.close.size, proven.event);
    let said = match proven.head {
        Some(head) => format!("entry {} (position {}) was the last of account {account} {when}", head.seq, head.position),
        None => format!("account {account} had no entry {when}"),
    };
    Ok(finish(&policy, "account", proven.signed, report, vec![said]))
}

/// A checkpoint alone: only whose it is.
pub fn verify_checkpoint(args: &Args, content: &[u8]) -> Result<Outcome, String> {
    let mut report = Report::default();
    let mut kept = Note::each_named(&args.path, content);
    let last = kept.pop();
    let content = last.as_ref().map_or(content, |(_, note)| note);
    kept.extend(args.checkpoints.iter().cloned());
    let found = Note::parse(content).ok().or_else(|| Note::find(content)).map(|note| note.to_string().into_bytes());
    let content = found.as_deref().unwrap_or(content);
    let policy = trusting(args, &mut report);
    let opened = open_notes(&policy, args.origin.as_deref(), content, &kept, &mut report);
    let Some(opened) = opened else { return Ok(Outcome::of_report("checkpoint", None, report)) };
    let newest = &opened.newest.checkpoint;
    for other in opened.remembered.iter().filter(|c| c.size == newest.size && c.root != newest.root) {
        let text = format!("another checkpoint of {} leaves has another root: the log shows two histories", other.size);
        report.add(Level::L0, "checkpoint_differs", None, text);
    }
    let said = "the signature is the log's; hold an export against it to learn more".to_owned();
    Ok(Outcome::of_report("checkpoint", Some(opened.newest), report).saying(vec![said]))
}

fn finish(
    policy: &Policy,
    what: &'static str,
    signed: counterfoil_verify::Signed,
    mut report: Report,
    said: Vec<String>,
) -> Outcome {
    if !policy.quorum_met(&signed.witnesses) {
        let text = "fewer witnesses than the policy asks for have signed the checkpoint";
        report.add(Level::L0, "quorum_missed", None, text);
    }
    if let Some(end) = retired_at(policy.rotations(), &signed.log_keys, signed.checkpoint.size) {
        let text = format!("its checkpoint is signed only by a key that was replaced at {end}: the old key was misused");
        report.add(Level::L0, "key_retired", None, text);
    }
    Outcome::of_report(what, Some(signed), report).saying(said)
}

/// Whom to trust, with what follows by changes of the key.
fn trusting(args: &Args, report: &mut Report) -> Policy {
    follow_rotations(args.policy.clone(), &args.rotations, report)
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
