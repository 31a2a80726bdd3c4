//! The page on archives: what the engine accepts it accepts, and what the engine finds it finds.

use std::fs;
use std::path::{Path, PathBuf};

use counterfoil::export::archive::{self, ArchiveRequest};
use counterfoil::trail::keys::KeyFolder;
use counterfoil::trail::store::checkpoints_after;
use counterfoil_verify::archive::MANIFEST;
use counterfoil_verify::{Checkpoint, SignerKey, VerifierKey};
use thirtyfour::prelude::*;

use super::Desk;
use crate::archive::house::{House, copied, files, found, resealed, words};
use crate::bank::Kind;

impl Desk {
    /// Hands the page a folder, and files beside it; reads the verdict and everything under it.
    fn archive(&self, key: &VerifierKey, folder: &Path, more: &[String]) -> (String, String) {
        self.browser.goto(&format!("file://{}", super::page().display()));
        self.browser.fill("#key", &key.to_string());
        self.browser.run(async |driver| {
            driver.find(By::Css("#folder")).await?.send_keys(folder.to_str().unwrap()).await?;
            driver.query(By::Css("#taken li")).first().await?;
            if !more.is_empty() {
                driver.find(By::Css("#files")).await?.send_keys(more.join("\n")).await?;
                driver.query(By::Css(format!("#taken li:nth-child({})", more.len() + 1))).first().await?;
            }
            driver.find(By::Css("#verify")).await?.click().await
        });
        let word = self.browser.text("#verdict[data-verdict]:not([hidden]) #word");
        (word, self.browser.text("#verdict"))
    }
}

/// A bank's archive of a range that does not begin its log, with everything that is personal; without tables in Parquet, of
/// which the page knows the digest only.
fn whole(house: &House) -> PathBuf {
    let request = ArchiveRequest { from: 256, to: 512, ndjson: true, parquet: false, private: true };
    let out = house.out("whole");
    archive::make(&house.bank.db, &request, &out, |body| house.note(body), &|_, _| {}).unwrap();
    out
}

#[test]
fn the_page_accepts_archives_and_checkpoints_that_end_within_them() {
    let (house, desk) = (House::new(Kind::Sqlite), Desk::new());
    let (first, _) = house.archived("first", (0, 256), false);
    let (out, archived) = house.archived("whole", (256, 512), true);
    let kept = desk.put("kept.txt", fs::read(out.join("checkpoint")).unwrap());
    for (folder, private) in [(&first, false), (&out, true)] {
        let (word, text) = desk.archive(&house.key, folder, std::slice::from_ref(&kept));
        assert_eq!(word, "✓ Verified", "{text}");
        assert!(text.contains("1 of 1 could be held against this range") && text.contains("rows of tables"), "{text}");
        assert_eq!(text.contains("none of them opened here"), !private, "{text}");
    }
    // Of those kept over the days, some ended within the range, and so within a tile.
    let notes = house.bank.db.read(|conn| checkpoints_after(conn, -1, 100)).unwrap();
    let within = notes.iter().filter(|row| (257..512).contains(&row.size));
    let within: Vec<String> = within.map(|row| desk.put(&format!("day-{}.txt", row.size), &row.note)).collect();
    assert!(!within.is_empty());
    let (word, text) = desk.archive(&house.key, &out, &within);
    assert_eq!(word, "✓ Verified", "{text}");
    assert!(text.contains(&format!("{0} of {0} could be held", within.len())), "{text}");
    let (_, text) = desk.archive(&house.key, &out, &[]);
    assert!(text.contains("leaves 256 to 511") && text.contains(&archived.digest), "{text}");
    assert!(text.contains("No checkpoint of your own"), "{text}");
    desk.shoot("verifier-archive-good");
}

#[test]
fn a_flipped_byte_in_any_file_is_found_as_the_engine_finds_it() {
    let (house, desk) = (House::new(Kind::Sqlite), Desk::new());
    let out = whole(&house);
    let all = files(&out);
    for (path, content) in all.iter().filter(|(_, content)| !content.is_empty()) {
        let spoilt = copied(&out, "spoilt", |all| {
            all.get_mut(path).unwrap()[content.len() / 2] ^= 1;
        });
        let engine = found(&spoilt, &house.key);
        let (word, text) = desk.archive(&house.key, &spoilt, &[]);
        assert_ne!(word, "✓ Verified", "{path}: {engine:?}");
        let said = text.contains(engine[0].0.as_str());
        assert!(said || word == "Nothing was verified", "{path}: {engine:?}: {text}");
    }
}

#[test]
fn lies_that_fit_the_manifest_are_found_as_the_engine_finds_them() {
    let (house, desk) = (House::new(Kind::Sqlite), Desk::new());
    let out = whole(&house);
    // Made by somebody who has everything but the key.
    let lies: [(&str, &str, &str, &str); 5] = [
        ("tables/entries.ndjson", "\"credit\"", "\"debit\"", "table_row_changed"),
        ("private/00000.ndjson", "Miete", "Meite", "private_changed"),
        ("values/00000.ndjson", "/limit", "/lomit", "value_changed"),
        ("definitions.ndjson", "\"leaf\":\"AQ", "\"leaf\":\"AA", "leaf_unreadable"),
        ("leaves/00000.ndjson", "\"leaf\":\"AQ", "\"leaf\":\"AA", "leaf_changed"),
    ];
    for (path, from, to, kind) in lies {
        let lie = copied(&out, "lie", |all| {
            let text = String::from_utf8(all[path].clone()).unwrap();
            assert!(text.contains(from), "{path} has no {from}");
            all.insert(path.into(), text.replacen(from, to, 1).into_bytes());
            resealed(all, |_| {});
        });
        let engine = found(&lie, &house.key);
        assert!(words(&engine).contains(&kind), "{path}: {engine:?}");
        let (word, text) = desk.archive(&house.key, &lie, &[]);
        assert_eq!(word, "✗ Not verified", "{path}: {text}");
        assert!(text.contains(kind), "{path}: {text}");
        for word in words(&engine) {
            assert!(text.contains(word), "{path}: the engine says {word}: {text}");
        }
    }
    desk.shoot("verifier-archive-bad");
    let cut = copied(&out, "cut", |all| {
        let text = String::from_utf8(all["leaves/00000.ndjson"].clone()).unwrap();
        let rest: Vec<&str> = text.split_inclusive('\n').enumerate().filter(|(n, _)| *n != 7).map(|(_, line)| line).collect();
        all.insert("leaves/00000.ndjson".into(), rest.concat().into_bytes());
        resealed(all, |manifest| manifest.entries += 1);
    });
    let (_, text) = desk.archive(&house.key, &cut, &[]);
    assert!(text.contains("leaf_missing, leaf 263") && text.contains("count_differs"), "{text}");
}

#[test]
fn another_key_a_part_of_an_archive_and_another_history_are_refused() {
    let (house, desk) = (House::new(Kind::Sqlite), Desk::new());
    let out = whole(&house);
    let other = SignerKey::from_seed(house.key.name(), [9; 32]).unwrap().verifier();
    let (_, text) = desk.archive(&other, &out, &[]);
    assert!(text.contains("no key you gave has signed it"), "{text}");
    let bare = copied(&out, "bare", |all| drop(all.remove(MANIFEST)));
    let (word, text) = desk.archive(&house.key, &bare, &[]);
    assert_eq!(word, "Nothing was verified", "{text}");
    assert!(text.contains("there is no manifest.json"), "{text}");
    // A checkpoint that the key signed, and that was never a state of this log.
    let folder = KeyFolder::of(&house.bank.config, house.bank.db.address());
    let signer = folder.key(house.key.name()).unwrap().unwrap();
    let never = Checkpoint::new(house.key.name(), 300, [7; 32]).sign(&[&signer]).unwrap().to_string();
    let never = desk.put("never.txt", never);
    let (_, text) = desk.archive(&house.key, &out, &[never]);
    assert!(text.contains("checkpoint_differs") && text.contains("was never a state of this log"), "{text}");
}
