//! Whatever a mail made of it, and however much is in one file: all of it is looked at.

use counterfoil_verify::heads_proof::{Claim, HeadsProof};
use counterfoil_verify::{Checkpoint, Found, TlogProof};

use crate::bank::{Log, key};
use crate::handed::{Pieces, WAYS, kept, specimens};
use crate::program::{Desk, SIZE, heads_proof, kinds, proof, verify};

fn pieces(log: &Log) -> Pieces {
    let fork = |root| Checkpoint { root: [root; 32], ..log.newest() }.sign(&[&key(1)]).unwrap().to_string();
    let carrying = |seq, extra: Vec<u8>| TlogProof { extra: Some(extra), ..proof(log, seq) }.to_string();
    let leaf = |seq: u64| log.leaves[&seq].clone();
    let last = heads_proof(log, Claim::Last, 7);
    Pieces {
        checkpoint: String::from_utf8(log.checkpoint.clone()).unwrap(),
        forks: [8, 9].map(fork),
        leaves: [300, 301].map(|seq| carrying(seq, leaf(seq))),
        forged: carrying(300, leaf(301)),
        appended: carrying(300, [leaf(300), vec![0, 0]].concat()),
        last: last.to_string(),
        lie: HeadsProof { account: 8, ..last }.to_string(),
    }
}

#[test]
fn every_specimen_comes_out_as_it_must() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let mut wrong = Vec::new();
    let all = specimens(&pieces(&log));
    for specimen in &all {
        let path = desk.put(&specimen.name, &specimen.content);
        let (code, result) = verify(&[&path]);
        if code != specimen.outcome as i32 {
            wrong.push(format!("{}: {code}, not {:?}: {result}", specimen.name, specimen.outcome));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn each_checkpoint_of_an_option_is_held_against_what_is_verified() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let export = desk.put("export.cfx", log.bundle());
    let checkpoint = String::from_utf8(log.checkpoint.clone()).unwrap();
    let fork = Checkpoint { root: [9; 32], size: 300, ..log.newest() };
    let fork = fork.sign(&[&key(1)]).unwrap().to_string();
    for way in WAYS {
        for (name, first, second, code) in
            [("a", &checkpoint, &fork, 1), ("b", &fork, &checkpoint, 1), ("c", &checkpoint, &checkpoint, 0)]
        {
            let both = format!("{}\n{}", kept(way, first), kept(way, second));
            assert_eq!(Found::of(both.as_bytes()).notes.len(), 1 + code as usize, "{way}: {both}");
            let kept = desk.put(&format!("{way}-{name}.mbox"), both);
            let (found, result) = verify(&["--checkpoint", &kept, &export]);
            assert_eq!(found, code, "{way} {name}: {result:#}");
            assert_eq!(kinds(&result).contains(&"checkpoint_differs"), code == 1, "{way} {name}: {result:#}");
        }
    }
}

#[test]
fn marks_and_empty_lines_change_nothing() {
    let (desk, log) = (Desk::new(), Log::new(SIZE, 1));
    let marked = |content: &[u8]| [b"\xef\xbb\xbf", content].concat();
    let bundle = log.bundle();
    for content in [marked(bundle.as_ref()), [bundle.as_ref(), b"\n\n".as_slice()].concat()] {
        let (code, result) = verify(&[&desk.put("export.cfx", content)]);
        assert_eq!(code, 0, "{result:#}");
    }
    let policy = desk.put("policy", marked(format!("log {}\nquorum none\n", key(1).verifier()).as_bytes()));
    let leaf = counterfoil_verify::text::hex(&counterfoil_verify::leaf::hash(&log.leaves[&300]));
    let receipt = desk.put("receipt.json", marked(format!(r#"{{"seq":300,"leaf":"{leaf}"}}"#).as_bytes()));
    let path = desk.put("export.cfx", &bundle);
    let output = crate::program::call(&["--policy", &policy, "--receipt", &receipt, &path]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
