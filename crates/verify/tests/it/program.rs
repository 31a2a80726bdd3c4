//! The program `counterfoil-verify`, as an auditor would call it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use counterfoil_verify::heads_proof::{Claim, HeadsProof};
use counterfoil_verify::text::hex;
use counterfoil_verify::tree::inclusion_proof;
use counterfoil_verify::{Checkpoint, Note, TlogProof, leaf, tile};
use serde_json::Value;
use tempfile::TempDir;

use crate::bank::{Log, key};

pub const SIZE: u64 = 700;

pub struct Desk {
    folder: TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn export(&self, name: &str, log: &Log) -> String {
        for (path, content) in log.files() {
            self.put(&format!("{name}/{path}"), content);
        }
        self.path(name).to_str().unwrap().to_owned()
    }
}

pub fn call(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_counterfoil-verify")).args(args).output().unwrap()
}

/// The exit code, and what was printed for programs.
pub fn verify(args: &[&str]) -> (i32, Value) {
    let key = key(1).verifier().to_string();
    let output = call(&[&["--json", "--key", &key], args].concat());
    let code = output.status.code().unwrap();
    let text = if code == 2 { &output.stderr } else { &output.stdout };
    (code, serde_json::from_slice(text).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(text).into_owned())))
}

pub fn kinds(result: &Value) -> Vec<&str> {
    result["findings"].as_array().unwrap().iter().map(|f| f["kind"].as_str().unwrap()).collect()
}

/// A proof of a leaf, made from the tiles as the server would.
pub fn proof(log: &Log, seq: u64) -> TlogProof {
    let size = log.leaves.len() as u64;
    let read = |level, index| {
        let at = tile::locate(level, index);
        let width = (size >> (8 * u32::from(at.level))) - 256 * at.index;
        at.root(&log.tiles[&tile::path(at.level, at.index, width.min(256) as u16)])
    };
    let hashes = inclusion_proof(seq, size, read).unwrap();
    TlogProof { extra: None, index: seq, hashes, checkpoint: Note::parse(&log.checkpoint).unwrap() }
}

/// A proof about an account at the last close of a log of [`SIZE`] leaves.
pub fn heads_proof(log: &Log, claim: Claim, account: i64) -> HeadsProof {
    let close = 599;
    let heads = log.heads(594);
    let heads = match claim {
        Claim::Last => vec![heads.prove_last(account).unwrap()],
        Claim::Absent => heads.prove_absent(account).unwrap(),
    };
    HeadsProof { claim, account, heads, event: log.leaves[&close].clone(), proof: proof(log, close) }
}

#[test]
fn an_export_is_verified_from_a_folder_and_from_a_bundle() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    for path in [desk.export("export", &log), desk.put("export.cfx", log.bundle())] {
        let (code, result) = verify(&[&path]);
        assert_eq!((code, &result["ok"]), (0, &Value::Bool(true)), "{result:#}");
        assert_eq!(result["checkpoint"]["size"], SIZE);
        assert_eq!(result["checkpoint"]["root"], hex(&log.root()));
        assert_eq!((&result["leaves"], &result["unopened"]), (&SIZE.into(), &0.into()));
        let text = String::from_utf8(call(&["--key", &key(1).verifier().to_string(), &path]).stdout).unwrap();
        assert!(text.starts_with("VERIFIED\n"), "{text}");
        assert!(text.contains("log bank.example/trail/test, 700 leaves"), "{text}");
        // What comes with the export was kept by nobody outside.
        assert!(!log.remembered.is_empty());
        assert!(text.contains("is undetectable"), "{text}");
        let kept = desk.put("kept", &log.checkpoint);
        let (_, held) = verify(&["--checkpoint", &kept, &path]);
        assert!(!held.to_string().contains("undetectable"), "{held:#}");
    }
}

#[test]
fn without_a_key_nothing_is_verified() {
    let desk = Desk::new();
    let path = desk.export("export", &Log::new(20, 1));
    let output = call(&[&path]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(why.contains("no key: give --key"), "{why}");
    let policy = desk.put("empty.policy", "quorum none\n");
    assert_eq!(call(&["--policy", &policy, &path]).status.code(), Some(2));
}

#[test]
fn what_was_changed_in_an_export_is_named() {
    let (desk, good) = (Desk::new(), Log::new(SIZE, 1));
    let mut flipped = good.clone();
    let last = flipped.leaves[&300].len() - 1;
    flipped.change(300, last);
    let (code, result) = verify(&[&desk.export("flipped", &flipped)]);
    assert_eq!((code, &result["findings"][0]["seq"]), (1, &300.into()));
    assert!(kinds(&result).contains(&"leaf_changed"), "{result:#}");
    let resigned = desk.export("resigned", &Log::new(SIZE, 2));
    let (code, result) = verify(&[&resigned]);
    assert_eq!((code, kinds(&result)), (1, vec!["checkpoint_untrusted"]));
    // Shorter than a checkpoint that was kept outside; the same with one that fits is well.
    let cut = desk.export("cut", &Log::new(350, 1));
    let kept = desk.put("kept.txt", &good.checkpoint);
    let (code, result) = verify(&[&cut, "--checkpoint", &kept]);
    assert_eq!((code, kinds(&result)), (1, vec!["log_shorter"]));
    let early = desk.put("early.txt", &good.remembered[1].1);
    assert_eq!(verify(&[&cut, &format!("--checkpoint={early}")]).0, 0);
    let other = desk.export("other", &Log::of("bank.example/other", SIZE, 1, ""));
    assert_eq!(verify(&[&other]).0, 1);
    assert_eq!(verify(&[&desk.export("named", &good), "--origin", "bank.example/other"]).0, 1);
}

#[test]
fn lines_that_cannot_be_used_are_findings() {
    let (desk, log) = (Desk::new(), Log::new(20, 1));
    for (name, spoil) in
        [("twice", "{\"seq\":3,\"leaf\":\"AA==\"}\n"), ("nonsense", "what\n"), ("far", "{\"seq\":99999,\"leaf\":\"AA==\"}\n")]
    {
        let path = desk.export(name, &log);
        let file = desk.path(&format!("{name}/leaves/00000.ndjson"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text + spoil).unwrap();
        let (code, result) = verify(&[&path]);
        assert_eq!(code, 1);
        assert!(kinds(&result).contains(&"line_unreadable"), "{name}: {result:#}");
    }
    let path = desk.export("bare", &log);
    fs::remove_file(Path::new(&path).join("checkpoint")).unwrap();
    let (code, why) = verify(&[&path]);
    assert!(code == 2 && why.as_str().unwrap().contains("this is not an export"), "{why}");
}

#[test]
fn a_receipt_is_found_or_not() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let path = desk.export("export", &log);
    let hash = hex(&leaf::hash(&log.leaves[&300]));
    let receipt = |seq: u64| desk.put("receipt.json", format!(r#"{{"seq":{seq},"leaf":"{hash}","status":"recorded"}}"#));
    assert_eq!(verify(&[&path, "--receipt", &receipt(300)]).0, 0);
    assert_eq!(verify(&[&path, "--leaf", &hash]).0, 0);
    let (code, result) = verify(&[&path, "--receipt", &receipt(301)]);
    assert_eq!((code, kinds(&result)), (1, vec!["receipt_unknown"]));
    assert_eq!(verify(&[&path, "--leaf", &hex(&[7; 32])]).0, 1);
    // The same with a proof instead of the log.
    let proof = desk.put("entry.tlog-proof", proof(&log, 300).to_string());
    assert_eq!(verify(&[&proof, "--receipt", &receipt(300)]).0, 0);
    assert_eq!(verify(&[&proof, "--receipt", &receipt(301)]).0, 1);
    assert_eq!(verify(&[&proof, "--leaf", &hex(&[7; 32])]).0, 1);
    let (code, why) = verify(&[&proof]);
    assert!(code == 2 && why.as_str().unwrap().contains("--receipt"), "{why}");
}

#[test]
fn a_proof_that_carries_its_leaf_stands_alone() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let mut made = proof(&log, 300);
    made.extra = Some(log.leaves[&300].clone());
    let (code, result) = verify(&[&desk.put("a.tlog-proof", made.to_string())]);
    assert_eq!(code, 0, "{result:#}");
    assert!(result["said"][1].as_str().unwrap().contains("the entry `core-300`"), "{result:#}");
    made.extra = Some(log.leaves[&301].clone());
    assert_eq!(verify(&[&desk.put("b.tlog-proof", made.to_string())]).0, 1);
    let (code, result) = verify(&[&desk.put("b.tlog-proof", made.to_string()), "--leaf", &hex(&leaf::hash(&log.leaves[&300]))]);
    assert_eq!(code, 0, "what is proven is the leaf that was named: {result:#}");
    assert!(result["said"].to_string().contains("`extra` is not the one that is proven"), "{result:#}");
    assert_eq!(verify(&[&desk.put("c.tlog-proof", "c2sp.org/tlog-proof@v1\n")]).0, 1);
}

#[test]
fn a_report_is_the_one_an_event_names() {
    let (desk, mut log) = (Desk::new(), Log::new(18, 1));
    let file = desk.put("report.json", "{}");
    let (_, before) = verify(&[&desk.export("before", &log), "--file", &file]);
    assert_eq!(kinds(&before), ["file_unknown"]);
    let stored = format!(r#"{{"date":"2026-03-01","body_sha256":"{}"}}"#, hex(&<sha2::Sha256 as sha2::Digest>::digest(b"{}")));
    log = Log::with_event("report.stored", &stored, 1);
    let (code, result) = verify(&[&desk.export("after", &log), "--file", &file]);
    assert_eq!(code, 0, "{result:#}");
    let mut made = proof(&log, 12);
    made.extra = Some(log.leaves[&12].clone());
    let made = desk.put("report.tlog-proof", made.to_string());
    assert_eq!(verify(&[&made, "--file", &file]).0, 0);
    assert_eq!(verify(&[&made, "--file", &desk.put("other.json", "{ }")]).0, 1);
}

#[test]
fn proofs_about_accounts_and_checkpoints_are_files_too() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let made = |claim, account| heads_proof(&log, claim, account);
    let last = made(Claim::Last, 7);
    let (code, result) = verify(&[&desk.put("last.heads-proof", last.to_string())]);
    assert_eq!(code, 0, "{result:#}");
    assert!(result["said"][0].as_str().unwrap().contains("was the last of account 7 at the close of 2026-03-03"), "{result:#}");
    assert_eq!(verify(&[&desk.put("absent.heads-proof", made(Claim::Absent, 99).to_string())]).0, 0);
    let lie = HeadsProof { account: 8, ..last };
    assert_eq!(verify(&[&desk.put("lie.heads-proof", lie.to_string())]).0, 1);

    let checkpoint = desk.put("checkpoint.txt", &log.checkpoint);
    assert_eq!(verify(&[&checkpoint]).0, 0);
    let fork = Checkpoint { root: [9; 32], ..log.newest() }.sign(&[&key(1)]).unwrap();
    let (code, result) = verify(&[&checkpoint, "--checkpoint", &desk.put("fork.txt", fork.to_string())]);
    assert_eq!((code, kinds(&result)), (1, vec!["checkpoint_differs"]));
    assert_eq!(verify(&[&desk.put("nonsense.txt", "nonsense")]).0, 1);
}

#[test]
fn misunderstandings_end_with_2() {
    let key = key(1).verifier().to_string();
    for args in [
        vec![],
        vec!["--key", &key],
        vec!["--key", "nonsense", "x"],
        vec!["--key", &key, "/nonexistent"],
        vec!["--key", &key, "--what", "x"],
        vec!["--key", &key, "x", "y"],
        vec!["--key"],
        vec!["--key", &key, "--leaf", "AB", "x"],
    ] {
        assert_eq!(call(&args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(call(&["--help"]).status.code(), Some(0));
    assert_eq!(call(&["--version"]).status.code(), Some(0));
}
