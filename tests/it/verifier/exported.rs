//! An export in memory: as the program writes it, and spoilt in every way an attacker would try.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, io};

use counterfoil::export::{self, LogFiles};
use counterfoil_verify::check::{Report, Scope, check, follow_rotations, open_notes};
use counterfoil_verify::decode::{Leaf, decode};
use counterfoil_verify::export::{bundle_header, bundle_line, leaf_line, leaves_path, parse_leaf};
use counterfoil_verify::files::{Export, Files};
use counterfoil_verify::heads::{Head, Heads};
use counterfoil_verify::leaf;
use counterfoil_verify::tile::{locate, path as tile_path};
use counterfoil_verify::tree::inclusion_proof;
use counterfoil_verify::{Checkpoint, Note, Policy, SignerKey, Tiles, TlogProof, VerifierKey};

use crate::site::Site;

/// An export in memory.
#[derive(Clone, Default)]
pub struct Exported(pub BTreeMap<String, Vec<u8>>);

impl LogFiles for Exported {
    fn put(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        assert!(self.0.insert(path.to_owned(), content.to_vec()).is_none(), "{path} twice");
        Ok(())
    }
}

impl Files for Exported {
    type Error = Infallible;

    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(path).cloned())
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, Infallible> {
        Ok(self.0.keys().filter(|path| path.starts_with(&format!("{folder}/"))).cloned().collect())
    }
}

impl Exported {
    pub fn of(site: &Site, private: bool) -> Exported {
        let mut files = Exported::default();
        let written = export::log(&site.app.db, private, 0, &mut files).unwrap();
        assert_eq!((written.size, private), (files.checkpoint().size, written.openings > 0));
        files
    }

    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::parse(Note::parse(&self.0["checkpoint"]).unwrap().unverified_text()).unwrap()
    }

    /// One byte of one leaf is another, and nothing else.
    pub fn flipped(mut self, seq: u64) -> Exported {
        self.change(|at, leaf| {
            if at == seq {
                let last = leaf.len() - 1;
                leaf[last] ^= 1;
            }
        });
        self
    }

    fn change(&mut self, change: impl Fn(u64, &mut Vec<u8>)) {
        let path = leaves_path(0);
        let text = String::from_utf8(self.0[&path].clone()).unwrap();
        let line = |line: &str| {
            let (seq, mut leaf) = parse_leaf(line).unwrap();
            change(seq, &mut leaf);
            leaf_line(seq, &leaf)
        };
        self.0.insert(path, text.lines().map(line).collect::<String>().into_bytes());
    }

    /// Another bank's book: every leaf is of the log that this key is named after.
    pub fn moved(mut self, key: &SignerKey) -> Exported {
        self.change(|_, bytes| {
            let mut moved = Vec::new();
            match decode(bytes).unwrap() {
                Leaf::Entry(_, entry) => entry.encode(key.name(), &mut moved).unwrap(),
                Leaf::Event(_, event) => event.encode(key.name(), &mut moved).unwrap(),
            }
            *bytes = moved;
        });
        self.resealed(key)
    }

    /// Everything that follows from the leaves is made again and signed by this key.
    pub fn resealed(self, key: &SignerKey) -> Exported {
        let mut other = self;
        other.0.retain(|path, _| !path.starts_with("tile/") && !path.starts_with("checkpoints/"));
        let text = String::from_utf8(other.0[&leaves_path(0)].clone()).unwrap();
        let (mut tree, mut full) = (Tiles::new(), Vec::new());
        text.lines().for_each(|line| tree.push(leaf::hash(&parse_leaf(line).unwrap().1), &mut full));
        other.0.extend(full.into_iter().map(|t| (tile_path(t.level, t.index, 256), t.data)));
        for level in 0..2_u8 {
            let hashes = tree.partial(level);
            if !hashes.is_empty() {
                let index = tree.size() >> (8 * (u32::from(level) + 1));
                other.0.insert(tile_path(level, index, hashes.len() as u16), hashes.as_flattened().to_vec());
            }
        }
        let signed = Checkpoint::new(key.name(), tree.size(), tree.root()).sign(&[key]).unwrap();
        other.0.insert("checkpoint".into(), signed.to_string().into_bytes());
        other
    }

    /// The last entry of each account below a size.
    pub fn heads(&self, size: u64) -> Heads {
        let text = String::from_utf8(self.0[&leaves_path(0)].clone()).unwrap();
        let mut heads = BTreeMap::new();
        for (seq, bytes) in text.lines().map(|line| parse_leaf(line).unwrap()).filter(|(seq, _)| *seq < size) {
            if let Leaf::Entry(_, e) = decode(&bytes).unwrap() {
                let (account, position, balance_after) = (e.account, e.position, e.balance_after);
                heads.insert(account, Head { account, seq: seq as i64, position, balance_after, leaf: leaf::hash(&bytes) });
            }
        }
        Heads::new(heads.into_values().collect()).unwrap()
    }

    /// The proof of a leaf, made from the tiles.
    pub fn proof(&self, seq: u64) -> TlogProof {
        let size = self.checkpoint().size;
        let read = |level, index| {
            let at = locate(level, index);
            let width = ((size >> (8 * u32::from(at.level))) - 256 * at.index).min(256);
            at.root(&self.0[&tile_path(at.level, at.index, width as u16)])
        };
        let hashes = inclusion_proof(seq, size, read).unwrap();
        TlogProof { extra: None, index: seq, hashes, checkpoint: Note::parse(&self.0["checkpoint"]).unwrap() }
    }

    pub fn leaf(&self, seq: u64) -> Vec<u8> {
        let text = String::from_utf8(self.0[&leaves_path(0)].clone()).unwrap();
        text.lines().map(|line| parse_leaf(line).unwrap()).find(|(at, _)| *at == seq).unwrap().1
    }

    pub fn bundle(&self) -> String {
        let lines: String = self.0.iter().map(|(path, content)| bundle_line(path, content)).collect();
        format!("{}{lines}", bundle_header())
    }

    /// What the engine of `counterfoil-verify` finds, for whoever holds this key.
    pub fn findings(&self, key: &VerifierKey, kept: &[&str]) -> Vec<&'static str> {
        self.findings_by(Policy::of_keys(vec![key.clone()]), kept)
    }

    /// The same under a policy.
    pub fn findings_by(&self, policy: Policy, kept: &[&str]) -> Vec<&'static str> {
        let (mut report, mut source) = (Report::default(), Export::new(self.clone()));
        let (Ok(newest), Ok(mut notes)) = (source.checkpoint(), source.remembered());
        notes.extend(kept.iter().map(|note| ("kept".to_owned(), note.as_bytes().to_vec())));
        let Ok(rotations) = source.rotations();
        let policy = follow_rotations(policy, &rotations, &mut report);
        if let Some(opened) = open_notes(&policy, None, &newest.unwrap(), &notes, &mut report) {
            let scope =
                Scope { newest: &opened.newest.checkpoint, remembered: &opened.remembered, loss_known: opened.loss_known };
            let Ok(()) = check(&mut source, scope, &mut report, |_| ());
        }
        let mut kinds: Vec<_> = report.findings.iter().map(|f| f.kind).collect();
        kinds.dedup();
        kinds
    }
}

/// The files of a folder, which only their owner may read.
pub fn folder(root: &Path) -> Exported {
    let (mut files, mut folders) = (Exported::default(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.0.insert(name, fs::read(path).unwrap());
        }
    }
    files
}
