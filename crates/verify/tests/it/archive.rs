//! An archive made here, by hand, from what the document says of it; checked by the library and by the
//! program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, Cursor};
use std::path::Path;
use std::process::Command;

use counterfoil_verify::archive::{
    Archive, Definitions, FileEntry, LeftOut, MANIFEST, MANIFEST_SUM, Manifest, Store, Table, check, line, readme, references,
    rows_of, sum_line,
};
use counterfoil_verify::check::Report;
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::export::{leaf_line, leaves_path, opening_line, private_path};
use counterfoil_verify::tree::{leaf_hash, node};
use counterfoil_verify::{Hash, Policy, leaf};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bank::{Log, key};

const SIZE: u64 = 700;

#[derive(Clone, Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Store for Files {
    fn paths(&self) -> Result<Vec<String>, String> {
        Ok(self.0.keys().cloned().collect())
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn BufRead>>, String> {
        Ok(self.0.get(path).map(|bytes| Box::new(Cursor::new(bytes.clone())) as Box<dyn BufRead>))
    }
}

impl Files {
    fn add(&mut self, path: impl Into<String>, text: impl AsRef<[u8]>) {
        self.0.entry(path.into()).or_default().extend_from_slice(text.as_ref());
    }

    fn findings(&self, seed: u8) -> Vec<&'static str> {
        let (mut report, policy) = (Report::default(), Policy::of_keys(vec![key(seed).verifier()]));
        let archive = Archive { store: self, policy: &policy, origin: None, checkpoints: &[], rotations: &[] };
        check(&archive, &mut report, &mut |_| Ok(()), &mut |_| ()).unwrap();
        report.findings.iter().map(|f| f.kind).collect()
    }

    fn write(&self, folder: &Path) {
        for (path, content) in &self.0 {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

/// The root over leaves, as RFC 6962 defines it.
fn root(log: &Log, first: u64, end: u64) -> Hash {
    if end - first == 1 {
        return leaf_hash(&log.leaves[&first]);
    }
    let middle = first + (1 << (end - first - 1).ilog2());
    node(&root(log, first, middle), &root(log, middle, end))
}

/// The subtrees over a gap, as the document says.
fn gap(log: &Log, from: u64, to: u64, out: &mut Files) {
    let mut at = from;
    while at < to {
        let mut width = 1;
        while at.is_multiple_of(width * 2) && at + width * 2 <= to {
            width *= 2;
        }
        out.add("proof", root(log, at, at + width));
        at += width;
    }
}

fn archive(log: &Log, from: u64, to: u64, private: bool) -> Files {
    let mut files = Files::default();
    for path in ["proof", "definitions.ndjson", "tables/entries.ndjson", "tables/events.ndjson", "tables/changes.ndjson"] {
        files.add(path, "");
    }
    if private {
        ["private/definitions.ndjson", "private/00000.ndjson", "values/00000.ndjson"]
            .iter()
            .for_each(|path| files.add(*path, ""));
    }
    files.add("checkpoint", &log.checkpoint);
    files.add("README.txt", readme(&log.origin, from, to, private));
    let leaf_at = |seq: u64| decode(&log.leaves[&seq]).unwrap();
    let earlier: BTreeSet<u64> =
        (from..to).flat_map(|seq| references(&leaf_at(seq))).map(|(_, seq)| seq as u64).filter(|seq| *seq < from).collect();
    let opening = |seq: u64| log.openings.get(&seq).filter(|_| private);
    let (mut definitions, mut at, mut unopened, mut openings) = (Definitions::default(), 0, 0, 0);
    let mut counted = |seq: u64, leaf: &Leaf<'_>| match opening(seq) {
        Some(_) => openings += 1,
        None => unopened += u64::from(leaf.blind().len() == 32),
    };
    for seq in &earlier {
        gap(log, at, *seq, &mut files);
        at = seq + 1;
        files.add("definitions.ndjson", leaf_line(*seq, &log.leaves[seq]));
        counted(*seq, &leaf_at(*seq));
        if let Some(opening) = opening(*seq) {
            files.add("private/definitions.ndjson", opening_line(opening));
        }
        let Leaf::Event(_, event) = leaf_at(*seq) else { panic!("{seq}") };
        definitions.take(&event, opening(*seq).and_then(|o| o.parts[0].as_deref()));
    }
    gap(log, at, from, &mut files);
    gap(log, to, SIZE, &mut files);
    let mut entries = 0;
    for seq in from..to {
        let (bytes, leaf) = (&log.leaves[&seq], leaf_at(seq));
        files.add(leaves_path(seq), leaf_line(seq, bytes));
        files.add("tiles/0", leaf::hash(bytes));
        counted(seq, &leaf);
        if let Some(opening) = opening(seq) {
            files.add(private_path(seq), opening_line(opening));
        }
        match &leaf {
            Leaf::Entry(..) => entries += 1,
            Leaf::Event(_, event) => drop(definitions.take(event, opening(seq).and_then(|o| o.parts[0].as_deref()))),
        }
        for row in rows_of(&leaf, &leaf::hash(bytes), opening(seq).map(|o| o.parts.as_slice()), &[], &definitions) {
            files.add(row.table.path("ndjson"), line(row.table.columns(), &row.cells));
        }
    }
    let why = LeftOut { what: "private parts".into(), why: "not_asked".into(), count: unopened };
    let manifest = Manifest {
        origin: log.origin.clone(),
        from,
        to,
        size: SIZE,
        root: log.root(),
        private,
        tables: vec!["ndjson".into()],
        entries,
        events: to - from - entries,
        definitions: earlier.len() as u64,
        openings,
        values: 0,
        left_out: if unopened > 0 { vec![why] } else { Vec::new() },
        files: Vec::new(),
    };
    sealed(files, manifest)
}

/// With a manifest that fits.
fn sealed(mut files: Files, mut manifest: Manifest) -> Files {
    files.0.retain(|path, _| ![MANIFEST, MANIFEST_SUM].contains(&path.as_str()));
    let file = |(path, content): (&String, &Vec<u8>)| FileEntry {
        path: path.clone(),
        bytes: content.len() as u64,
        sha256: Sha256::digest(content).into(),
    };
    manifest.files = files.0.iter().map(file).collect();
    let text = manifest.render();
    files.add(MANIFEST_SUM, sum_line(&Sha256::digest(&text).into()));
    files.add(MANIFEST, text);
    files
}

fn resealed(files: &Files, change: impl FnOnce(&mut Files)) -> Files {
    let manifest = Manifest::parse(&files.0[MANIFEST]).unwrap();
    let mut changed = files.clone();
    change(&mut changed);
    sealed(changed, manifest)
}

#[test]
fn every_range_of_whole_tiles_verifies_alone() {
    let log = Log::new(SIZE, 1);
    for (from, to) in [(0, 256), (256, 512), (0, 512)] {
        for private in [false, true] {
            let files = archive(&log, from, to, private);
            assert_eq!(files.findings(1), [""; 0], "{from}..{to} {private}");
            assert_eq!(files.findings(2), ["checkpoint_untrusted"]);
        }
    }
}

#[test]
fn what_is_forged_with_its_manifest_is_found_by_the_leaves() {
    let log = Log::new(SIZE, 1);
    let files = archive(&log, 256, 512, true);
    let replaced = |path: &'static str, from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        resealed(&files, move |files| {
            let text = String::from_utf8(files.0[path].clone()).unwrap();
            assert!(text.contains(&from), "{path} has no {from}");
            files.0.insert(path.into(), text.replacen(&from, &to, 1).into_bytes());
        })
    };
    assert_eq!(replaced("tables/entries.ndjson", "\"1.00\"", "\"9.00\"").findings(1), ["table_row_changed"]);
    assert_eq!(replaced("private/00000.ndjson", "Zoë", "Zoe").findings(1)[0], "private_changed");
    let flipped = |path: &'static str, at: usize| resealed(&files, move |files| files.0.get_mut(path).unwrap()[at] ^= 1);
    assert!(flipped("tiles/0", 40).findings(1).contains(&"tile_changed"));
    assert!(flipped("proof", 40).findings(1).contains(&"root_differs"));
    let cut = resealed(&files, |files| {
        let length = files.0["proof"].len();
        files.0.get_mut("proof").unwrap().truncate(length - 32);
    });
    assert!(cut.findings(1).contains(&"proof_differs"));
    let without = resealed(&files, |files| {
        let text = String::from_utf8(files.0["definitions.ndjson"].clone()).unwrap();
        let rest: String = text.lines().skip(1).map(|line| format!("{line}\n")).collect();
        files.0.insert("definitions.ndjson".into(), rest.into_bytes());
    });
    // The gap grew by that leaf: the same hashes stand for other subtrees now.
    let found = without.findings(1);
    assert!(found.contains(&"reference_wrong") && found.contains(&"root_differs"), "{found:?}");
    let other = archive(&Log::of(&log.origin, SIZE, 1, "x"), 256, 512, true);
    let mixed = resealed(&other, |files| drop(files.0.insert("checkpoint".into(), log.checkpoint.clone())));
    assert!(mixed.findings(1).contains(&"manifest_differs") && mixed.findings(1).contains(&"root_differs"));
}

#[test]
fn the_program_checks_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::new(SIZE, 1);
    archive(&log, 256, 512, false).write(folder.path());
    let run = |more: &[&str]| {
        let path = folder.path().to_str().unwrap();
        let key = key(1).verifier().to_string();
        let args = [&["archive", "--json", "--key", &key], more, &[path]].concat();
        let output = Command::new(env!("CARGO_BIN_EXE_counterfoil-verify")).args(args).output().unwrap();
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    let (code, said) = run(&[]);
    assert_eq!((code, &said["what"], &said["leaves"]), (Some(0), &"archive".into(), &256.into()), "{said}");
    assert!(said["said"].to_string().contains("is undetectable"), "{said}");
    let hash = counterfoil_verify::text::hex(&leaf_hash(&log.leaves[&300]));
    assert_eq!(run(&["--leaf", &hash]).0, Some(0));
    let elsewhere = counterfoil_verify::text::hex(&leaf_hash(&log.leaves[&600]));
    assert_eq!(run(&["--leaf", &elsewhere]).1["findings"][0]["kind"], "receipt_unknown");
    let beside = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &str| {
        fs::write(beside.path().join(name), content).unwrap();
        beside.path().join(name).to_str().unwrap().to_owned()
    };
    for (seq, code) in [(300, 0), (301, 1)] {
        let receipt = put("receipt.json", &format!(r#"{{"seq":{seq},"leaf":"{hash}"}}"#));
        assert_eq!(run(&["--receipt", &receipt]).0, Some(code), "the place counts too");
    }
    let (code, said) = run(&["--file", &put("report.json", "{}")]);
    assert!(code == Some(0) && said["said"].to_string().contains("is the file that event 297 (report.stored) names"), "{said}");
    assert_eq!(run(&["--file", &put("other.json", "{ }")]).1["findings"][0]["kind"], "file_unknown");
    let table = folder.path().join(Table::Entries.path("ndjson"));
    fs::write(&table, fs::read_to_string(&table).unwrap().replacen("\"1.00\"", "\"2.00\"", 1)).unwrap();
    let (code, said) = run(&[]);
    assert_eq!(code, Some(1), "{said}");
    let details: Vec<&str> = said["findings"].as_array().unwrap().iter().filter_map(|f| f["detail"].as_str()).collect();
    assert!(details.iter().any(|text| text.contains("tables/entries.ndjson line 1 ")), "{details:?}");
    fs::remove_file(folder.path().join(MANIFEST)).unwrap();
    assert_eq!(run(&[]).0, Some(2), "without a manifest there is no archive");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_flipped_byte_of_any_file_is_found(file in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut files = archive(&Log::new(SIZE, 1), 256, 512, true);
        let paths: Vec<String> = files.0.iter().filter(|(_, content)| !content.is_empty()).map(|(path, _)| path.clone()).collect();
        let path = file.get(&paths);
        let content = files.0.get_mut(path).unwrap();
        let at = byte.index(content.len());
        content[at] ^= 1_u8 << bit;
        prop_assert!(!files.findings(1).is_empty(), "byte {at} of {path}");
    }
}
