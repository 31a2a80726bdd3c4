//! A bank with some days of entries and changes, its archives, and what is found in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil::app::App;
use counterfoil::clock::{Clock, DAY, Moment};
use counterfoil::config::Config;
use counterfoil::export::archive::{self, ArchiveRequest, Archived, Bound, Outcome, ParquetCheck, choose};
use counterfoil_verify::archive::{Archive, MANIFEST, MANIFEST_SUM, Manifest, check, sum_line};
use counterfoil_verify::check::Report;
use counterfoil_verify::folder::Folder;
use counterfoil_verify::{Policy, VerifierKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bank::{Bank, Home, Kind, entry};
use crate::records::{change, record_as};

pub struct House {
    pub bank: Bank,
    pub app: App,
    pub key: VerifierKey,
    /// Where archives are put.
    pub folder: tempfile::TempDir,
}

impl House {
    /// Three days: entries of 40 accounts with everything that is personal, and changes of a record.
    pub fn new(kind: Kind) -> House {
        House::with(kind, |_| {})
    }

    pub fn with(kind: Kind, change: impl FnOnce(&mut Config)) -> House {
        House::seeded(kind, 7, change)
    }

    /// One whose random bytes, and so whose key, are others.
    pub fn seeded(kind: Kind, seed: u64, change: impl FnOnce(&mut Config)) -> House {
        let mut config = Config::default();
        config.retention.quiet_days = 10;
        config.records = toml::from_str("[[type]]\nname = \"flag\"\nclass = \"debug\"").unwrap();
        change(&mut config);
        let bank = Bank::at(Home::new(kind), config, Clock::fixed(Moment::parse("2026-03-02T12:00:00Z").unwrap(), seed));
        let app = App::new(bank.config.clone(), bank.db.clone(), bank.clock.clone(), bank.intake.clone()).unwrap();
        let key = app.signer.verifier();
        let house = House { bank, app, key, folder: tempfile::tempdir().unwrap() };
        for day in 0..3 {
            house.day(day);
        }
        house
    }

    /// A day's entries, and the next day begins.
    pub fn day(&self, day: i64) {
        let sent = (0..200).map(|i| {
            let at = self.bank.clock.now().to_string();
            let (n, turn) = (i % 40, day * 5 + i / 40);
            let mut sent = entry(&format!("D{day}-{i}"), &format!("KONTO-{n:03}"), &at, turn * 10, turn * 10 + 10);
            // Yen have no hundredths.
            if n == 7 {
                let minor = |units: i64| json!(units.to_string());
                sent["currency"] = json!("JPY");
                (sent["amount"], sent["balance_before"], sent["balance_after"]) =
                    (minor(10), minor(turn * 10), minor(turn * 10 + 10));
            }
            // Somebody forgot a booking.
            if n == 11 && turn == 8 {
                sent["balance_before"] = json!("500.00");
                sent["balance_after"] = json!("510.00");
            }
            if n % 3 == 0 {
                sent["counterparty_name"] = json!(format!("Zoë \"{n}\""));
                sent["reason"] = json!("Miete, März");
            }
            sent["session_id"] = json!(format!("sess-{}", n % 5));
            sent
        });
        self.bank.submit(sent.collect());
        let row = change(&format!("C{day}"), json!({ "after": { "limit": 100 * day, "name": "Ada Roe" }, "reason": "review" }));
        record_as(&self.bank, self.bank.source, &[row]);
        self.app.sign();
        self.bank.clock.advance(DAY);
    }

    pub fn size(&self) -> u64 {
        self.bank.db.read(counterfoil::trail::store::newest_checkpoint).unwrap().unwrap().size.unsigned_abs()
    }

    pub fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An archive from one leaf to before another, recorded as a command does it.
    pub fn archived(&self, name: &str, (from, to): (u64, u64), private: bool) -> (PathBuf, Archived) {
        let (out, request) = (self.out(name), ArchiveRequest { from, to, ndjson: true, parquet: true, private });
        let outcome = archive::make(&self.bank.db, &request, &out, |body| self.note(body), &|_, _| {}).unwrap();
        match outcome {
            Outcome::Made(archived) => (out, *archived),
            Outcome::Completed => panic!("{name} was there"),
        }
    }

    pub fn note(&self, body: Value) -> Result<(), counterfoil::export::ExportError> {
        self.bank.intake.log().act(move |tx| archive::made(tx, body, json!({}))).unwrap();
        Ok(())
    }

    /// Everything that is closed and not archived yet.
    pub fn rest(&self, name: &str, private: bool) -> (PathBuf, Archived) {
        let chosen = choose(&self.bank.db, None, None).unwrap();
        self.archived(name, (chosen.from, chosen.to), private)
    }

    pub fn found(&self, folder: &Path) -> Vec<(String, String)> {
        found(folder, &self.key)
    }
}

pub fn day(text: &str) -> Option<Bound> {
    Some(Bound::parse(text).unwrap())
}

/// What is found in an archive by whoever holds this key: words and details.
pub fn found(folder: &Path, key: &VerifierKey) -> Vec<(String, String)> {
    let report = report(folder, key, &[]);
    report.findings.into_iter().map(|f| (f.kind.to_owned(), f.detail)).collect()
}

pub fn report(folder: &Path, key: &VerifierKey, kept: &[(String, Vec<u8>)]) -> Report {
    let (store, policy, mut report) = (Folder::new(folder), Policy::of_keys(vec![key.clone()]), Report::default());
    let archive = Archive { store: &store, policy: &policy, origin: None, checkpoints: kept, rotations: &[] };
    let mut tables = folder.join("tables/entries.parquet").exists().then(|| ParquetCheck::open(folder));
    let mut each = |row: &_| {
        if let Some(tables) = &mut tables {
            tables.row(row);
        }
        Ok(())
    };
    let signed = match check(&archive, &mut report, &mut each, &mut |_| ()) {
        Ok(checked) => checked.signed.is_some(),
        Err(e) => {
            report.add(counterfoil_verify::check::Level::L2, "unreadable", None, e);
            false
        }
    };
    if let Some(tables) = tables.filter(|_| signed) {
        tables.finish(&mut report);
    }
    report
}

/// Every file of a folder.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    use counterfoil_verify::archive::Store;
    let paths = Folder::new(folder).paths().unwrap();
    paths.into_iter().map(|path| (path.clone(), fs::read(folder.join(path)).unwrap())).collect()
}

/// A copy with some files changed, under another name.
pub fn copied(folder: &Path, name: &str, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> PathBuf {
    let out = folder.with_file_name(name);
    if out.exists() {
        fs::remove_dir_all(&out).unwrap();
    }
    let mut all = files(folder);
    change(&mut all);
    for (path, content) in all {
        let path = out.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    out
}

/// Makes the manifest fit the files again, as somebody would who wants nobody to notice.
pub fn resealed(all: &mut BTreeMap<String, Vec<u8>>, change: impl FnOnce(&mut Manifest)) {
    let mut manifest = Manifest::parse(&all[MANIFEST]).unwrap();
    for file in &mut manifest.files {
        if let Some(content) = all.get(&file.path) {
            (file.bytes, file.sha256) = (content.len() as u64, Sha256::digest(content).into());
        }
    }
    change(&mut manifest);
    let text = manifest.render();
    all.insert(MANIFEST_SUM.into(), sum_line(&Sha256::digest(&text).into()).into_bytes());
    all.insert(MANIFEST.into(), text.into_bytes());
}

pub fn words(found: &[(String, String)]) -> Vec<&str> {
    let mut words: Vec<&str> = found.iter().map(|(word, _)| word.as_str()).collect();
    words.dedup();
    words
}
