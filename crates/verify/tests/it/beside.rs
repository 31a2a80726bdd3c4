//! What stands beside a single file, and what a mail made of it, is looked at or refused: nothing that was handed over
//! is passed over in silence.

use counterfoil_verify::heads_proof::{Claim, HeadsProof};
use counterfoil_verify::text::{base64, hex};
use counterfoil_verify::{Checkpoint, Found, leaf};
use serde_json::Value;

use crate::bank::{Log, key};
use crate::program::{Desk, SIZE, call, heads_proof, kinds, proof, verify};

/// What mail programs make of a text.
fn mailed(text: &str) -> Vec<(&'static str, String)> {
    let quoted: String = text.lines().map(|line| format!("> {line}\n")).collect();
    let html: String = text.lines().map(|line| format!("<p>{line}</p>\n")).collect();
    let lines = |text: &str, width: usize| -> String {
        let wrapped = text.as_bytes().chunks(width).map(|part| std::str::from_utf8(part).unwrap());
        wrapped.collect::<Vec<_>>().join("\n")
    };
    let printable = text.replace('=', "=3D").replace('\u{2014}', "=E2=80=94");
    vec![
        ("other line ends", text.replace('\n', "\r\n")),
        ("quoted", quoted.clone()),
        ("quoted, other line ends", quoted.replace('\n', "\r\n")),
        ("words around", format!("Dear auditor,\n\n{text}\n-- \nThe bank\n")),
        ("HTML", html),
        ("quoted-printable", format!("Content-Transfer-Encoding: quoted-printable\n\n{printable}")),
        ("base64", format!("Content-Transfer-Encoding: base64\n\n{}\n", lines(&base64(text.as_bytes()), 76))),
    ]
}

#[test]
fn a_proof_is_one_whatever_a_mail_made_of_it() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let mut made = proof(&log, 300);
    made.extra = Some(log.leaves[&300].clone());
    let last = heads_proof(&log, Claim::Last, 7);
    let mut forged = made.clone();
    forged.extra = Some(log.leaves[&301].clone());
    let lie = HeadsProof { account: 8, ..last.clone() };
    let cases = [
        ("proof", made.to_string(), 0),
        ("account", last.to_string(), 0),
        ("proof", forged.to_string(), 1),
        ("account", lie.to_string(), 1),
        ("proof", made.to_string().replace("@v1", "@v9"), 1),
        ("account", last.to_string().replace("heads-proof@v1", "heads-proof@v2"), 1),
    ];
    for (what, text, code) in cases {
        for (how, text) in mailed(&text) {
            let (found, result) = verify(&[&desk.put("file.txt", &text)]);
            assert_eq!((found, &result["what"]), (code, &Value::from(what)), "{how}: {result:#}\n{text}");
        }
    }
}

#[test]
fn a_file_named_a_proof_that_holds_none_is_no_checkpoint() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    for name in ["a.tlog-proof", "b.heads-proof"] {
        let (code, result) = verify(&[&desk.put(name, &log.checkpoint)]);
        assert_eq!((code, kinds(&result)), (1, vec!["proof_unreadable"]), "{result:#}");
    }
    let two = format!("{}\n{}", proof(&log, 3), proof(&log, 4));
    let leaf = hex(&leaf::hash(&log.leaves[&3]));
    for two in [two.clone(), two.replace('\n', "\r\n"), format!("Two:\n{two}")] {
        let (code, why) = verify(&[&desk.put("two.txt", two), "--leaf", &leaf]);
        assert!(code == 2 && why.as_str().unwrap().contains("several proofs"), "{why}");
    }
    let text = String::from_utf8(log.checkpoint.clone()).unwrap();
    let (code, result) = verify(&[&desk.put("mail.txt", format!("Hello\n\n> {}", text.replace('\n', "\n> ")))]);
    assert_eq!((code, &result["what"]), (0, &Value::from("checkpoint")));
    assert!(result["said"].to_string().contains("of those nothing was verified"), "{result:#}");
    assert_eq!(Found::of(b""), Found::default());
    assert_eq!(Found::of(b"nothing <of> it"), Found::default());
}

#[test]
fn a_receipt_a_file_and_a_leaf_are_looked_at_beside_everything() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let last = heads_proof(&log, Claim::Last, 7);
    let head = last.heads[0].head;
    let of_last = |seq: i64, leaf: &[u8; 32]| {
        desk.put(&format!("{seq}-{}.json", leaf[0]), format!(r#"{{"seq":{seq},"leaf":"{}"}}"#, hex(leaf)))
    };
    let path = desk.put("last.heads-proof", last.to_string());
    let absent = desk.put("absent.heads-proof", heads_proof(&log, Claim::Absent, 99).to_string());
    assert_eq!(verify(&[&path, "--receipt", &of_last(head.seq, &head.leaf)]).0, 0);
    assert_eq!(verify(&[&path, "--leaf", &hex(&head.leaf)]).0, 0);
    for (path, receipt) in [
        (&path, of_last(head.seq - 1, &head.leaf)),
        (&path, of_last(head.seq, &[7; 32])),
        (&absent, of_last(head.seq, &head.leaf)),
    ] {
        let (code, result) = verify(&[path, "--receipt", &receipt]);
        assert_eq!((code, kinds(&result)), (1, vec!["receipt_unknown"]), "{result:#}");
    }
    let file = desk.put("report.json", "{}");
    let (code, result) = verify(&[&path, "--file", &file]);
    assert_eq!((code, kinds(&result)), (1, vec!["file_unknown"]), "{result:#}");
    // A checkpoint says nothing about any of them.
    let checkpoint = desk.put("checkpoint.txt", &log.checkpoint);
    for beside in [["--leaf", &hex(&head.leaf)], ["--receipt", &of_last(head.seq, &head.leaf)], ["--file", &file]] {
        let (code, why) = verify(&[&[checkpoint.as_str()], &beside[..]].concat());
        assert!(code == 2 && why.as_str().unwrap().contains("a checkpoint alone says nothing"), "{why}");
    }
    // Of two, one would not be looked at.
    let receipt = of_last(head.seq, &head.leaf);
    for twice in [["--leaf", &hex(&[7; 32])], ["--receipt", &receipt]] {
        let (code, why) = verify(&[&[path.as_str(), "--receipt", &receipt], &twice[..]].concat());
        assert!(code == 2 && why.as_str().unwrap().contains("given twice"), "{why}");
    }
}

#[test]
fn checkpoints_beside_a_proof_are_held_against_its_own() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let mut made = proof(&log, 300);
    made.extra = Some(log.leaves[&300].clone());
    let of = |size, root| Checkpoint { root: [root; 32], size, ..log.newest() }.sign(&[&key(1)]).unwrap().to_string();
    let files = [
        desk.put("a.tlog-proof", made.to_string()),
        desk.put("a.heads-proof", heads_proof(&log, Claim::Last, 7).to_string()),
        desk.put("a.txt", &log.checkpoint),
    ];
    let same = desk.put("same.txt", &log.checkpoint);
    let smaller = desk.put("smaller.txt", of(300, 9));
    let cases = [
        (vec![same], 0, vec![]),
        (vec![smaller.clone()], 0, vec![]),
        (vec![desk.put("fork.txt", of(SIZE, 9))], 1, vec!["checkpoint_differs"]),
        (vec![smaller.clone(), desk.put("other.txt", of(300, 8))], 1, vec!["checkpoint_differs"]),
        (vec![desk.put("nonsense.txt", "nonsense")], 1, vec!["checkpoint_untrusted"]),
    ];
    for path in &files {
        for (kept, code, found) in &cases {
            let args: Vec<&str> = kept.iter().flat_map(|kept| ["--checkpoint", kept.as_str()]).chain([path.as_str()]).collect();
            let (status, result) = verify(&args);
            assert_eq!((status, kinds(&result)), (*code, found.clone()), "{path} beside {kept:?}: {result:#}");
        }
        let (_, result) = verify(&["--checkpoint", &smaller, path]);
        assert!(result["said"].to_string().contains("only an export can be held against those"), "{result:#}");
    }
}

#[test]
fn a_key_that_nothing_leads_to_is_a_finding_for_single_files_too() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let next = key(2);
    let resigned = log.newest().sign(&[&next]).unwrap();
    let mut made = proof(&log, 300);
    (made.extra, made.checkpoint) = (Some(log.leaves[&300].clone()), resigned.clone());
    let mut last = heads_proof(&log, Claim::Last, 7);
    last.proof.checkpoint = resigned.clone();
    let (old, new) = (key(1).verifier().to_string(), next.verifier().to_string());
    for path in [
        desk.put("a.tlog-proof", made.to_string()),
        desk.put("a.heads-proof", last.to_string()),
        desk.put("a.txt", resigned.to_string()),
    ] {
        let known = desk.put("policy", format!("log {old}\nlog {new}\ndiscontinuity {new}\nquorum none\n"));
        let unknown = desk.put("strict", format!("log {old}\nlog {new}\nquorum none\n"));
        assert_eq!(call(&["--policy", &known, &path]).status.code(), Some(0), "{path}");
        let output = call(&["--policy", &unknown, &path]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && text.contains("key_discontinuity"), "{path}: {text}");
    }
}
