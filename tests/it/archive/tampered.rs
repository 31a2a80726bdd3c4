//! Whatever is done to an archive is found, and named with file and line.

use counterfoil_verify::archive::{MANIFEST, Manifest};
use counterfoil_verify::export::{leaf_line, parse_leaf};
use counterfoil_verify::{Checkpoint, Note, SignerKey};

use super::house::{House, copied, files, found, resealed, words};
use crate::bank::{Kind, on_both};

#[test]
fn a_flipped_byte_anywhere_is_found() {
    let house = House::new(Kind::Sqlite);
    let (out, _) = house.archived("whole", (256, 512), true);
    for (path, content) in files(&out) {
        let places = [0, content.len() / 3, content.len() / 2, content.len().saturating_sub(1)];
        for at in places.into_iter().filter(|at| *at < content.len()) {
            let spoilt = copied(&out, "spoilt", |all| all.get_mut(&path).unwrap()[at] ^= 1);
            let found = house.found(&spoilt);
            assert!(!found.is_empty(), "byte {at} of {path}");
            assert!(found.iter().any(|(_, detail)| detail.contains(&path)) || path == "checkpoint", "{path}: {found:?}");
        }
    }
}

#[test]
fn files_that_are_missing_or_added_are_named() {
    let house = House::new(Kind::Sqlite);
    let (out, _) = house.archived("whole", (0, 256), true);
    for path in files(&out).keys().filter(|path| *path != MANIFEST) {
        let cut = copied(&out, "cut", |all| {
            all.remove(path);
        });
        let found = house.found(&cut);
        assert!(found.iter().any(|(_, detail)| detail.contains(path.as_str())), "{path}: {found:?}");
    }
    for path in ["notes.txt", "leaves/00001.ndjson", "tiles/1", "private/.hidden"] {
        let more = copied(&out, "more", |all| {
            all.insert(path.into(), b"{}\n".to_vec());
        });
        assert!(house.found(&more).iter().any(|(word, detail)| word == "file_added" && detail.contains(path)), "{path}");
        // Also where the manifest lists it.
        let listed = copied(&more, "listed", |all| {
            resealed(all, |manifest| {
                let mut file = manifest.files[0].clone();
                file.path = path.into();
                manifest.files.push(file);
                manifest.files.sort_by(|one, two| one.path.cmp(&two.path));
            });
        });
        assert!(words(&house.found(&listed)).contains(&"file_added"), "{path}");
    }
}

#[test]
fn a_row_that_says_something_else_is_named_with_its_line() {
    on_both(|kind| {
        let house = House::new(kind);
        let (out, _) = house.archived("whole", (256, 512), true);
        let change = |name: &str, path: &'static str, from: &'static str, to: &'static str| {
            copied(&out, name, move |all| {
                let text = String::from_utf8(all[path].clone()).unwrap();
                assert!(text.contains(from), "{path} has no {from}");
                all.insert(path.into(), text.replacen(from, to, 1).into_bytes());
                resealed(all, |_| {});
            })
        };
        let spoilt = change("amount", "tables/entries.ndjson", "\"amount\":\"10.00\"", "\"amount\":\"19.00\"");
        let all = house.found(&spoilt);
        assert_eq!(words(&all), ["table_row_changed"], "{all:?}");
        assert!(all[0].1.contains("tables/entries.ndjson line 1 ") && all[0].1.ends_with(": amount"), "{all:?}");
        let spoilt = change("actor", "tables/changes.ndjson", "john_doe", "jane_doe");
        assert!(house.found(&spoilt)[0].1.contains("tables/changes.ndjson line 1 "));
        let spoilt = change("private", "private/00000.ndjson", "Miete", "Mieze");
        assert!(words(&house.found(&spoilt)).contains(&"private_changed"));
        let spoilt = change("value", "values/00000.ndjson", "/limit", "/lomit");
        assert!(words(&house.found(&spoilt)).contains(&"value_changed"));
        // A row that is gone, and one that is there twice.
        let lines = |name: &str, edit: fn(&mut Vec<String>)| {
            copied(&out, name, move |all| {
                let path = "tables/entries.ndjson";
                let mut lines: Vec<String> = String::from_utf8(all[path].clone()).unwrap().lines().map(str::to_owned).collect();
                edit(&mut lines);
                all.insert(path.into(), (lines.join("\n") + "\n").into_bytes());
                resealed(all, |_| {});
            })
        };
        assert_eq!(words(&house.found(&lines("gone", |l| drop(l.remove(5))))), ["table_row_missing"]);
        assert_eq!(words(&house.found(&lines("twice", |l| l.insert(6, l[5].clone())))), ["table_row_added"]);
    });
}

#[test]
fn rows_of_another_archive_in_parquet_are_found() {
    let house = House::new(Kind::Sqlite);
    let (one, _) = house.archived("one", (0, 256), false);
    let (two, _) = house.archived("two", (256, 512), false);
    let swapped = copied(&one, "swapped", |all| {
        all.insert("tables/entries.parquet".into(), files(&two)["tables/entries.parquet"].clone());
        resealed(all, |_| {});
    });
    let all = house.found(&swapped);
    assert!(all.iter().all(|(word, _)| word.starts_with("table_row_")) && !all.is_empty(), "{all:?}");
    assert!(all[0].1.contains("tables/entries.parquet row 1 ") && all[0].1.contains("seq"), "{:?}", all[0]);
    let broken = copied(&one, "broken", |all| {
        let bytes = all.get_mut("tables/events.parquet").unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..].iter_mut().for_each(|byte| *byte ^= 0x55);
        resealed(all, |_| {});
    });
    assert!(house.found(&broken).iter().any(|(_, detail)| detail.contains("tables/events.parquet")));
}

#[test]
fn a_range_that_was_cut_or_shifted_is_found() {
    let house = House::new(Kind::Sqlite);
    let (out, _) = house.archived("whole", (0, 512), false);
    // Only the second half is said to be there, and everything fits it but the proof.
    let half = copied(&out, "half", |all| {
        let text = String::from_utf8(all["leaves/00000.ndjson"].clone()).unwrap();
        let rest: String = text.lines().skip(256).map(|line| format!("{line}\n")).collect();
        all.insert("leaves/00000.ndjson".into(), rest.into_bytes());
        let tiles = all["tiles/0"][256 * 32..].to_vec();
        all.insert("tiles/0".into(), tiles);
        resealed(all, |manifest| manifest.from = 256);
    });
    let all = house.found(&half);
    assert!(words(&all).contains(&"proof_differs"), "{all:?}");
    // Every leaf stands one place further.
    let shifted = copied(&out, "shifted", |all| {
        let text = String::from_utf8(all["leaves/00000.ndjson"].clone()).unwrap();
        let moved = |line: &str| {
            let (seq, bytes) = parse_leaf(line).unwrap();
            leaf_line(seq + 256, &bytes)
        };
        let lines: String = text.lines().take(256).map(moved).collect();
        all.insert("leaves/00000.ndjson".into(), lines.into_bytes());
        let tiles = all["tiles/0"][..256 * 32].to_vec();
        all.insert("tiles/0".into(), tiles);
        resealed(all, |manifest| (manifest.from, manifest.to) = (256, 512));
    });
    let all = house.found(&shifted);
    assert!(words(&all).contains(&"seq_differs") && words(&all).contains(&"proof_differs"), "{all:?}");
    // A leaf is changed, with its tile, its row and the manifest.
    let changed = copied(&out, "changed", |all| {
        let text = String::from_utf8(all["leaves/00000.ndjson"].clone()).unwrap();
        let line = |line: &str| {
            let (seq, mut bytes) = parse_leaf(line).unwrap();
            if seq == 300 {
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
            }
            leaf_line(seq, &bytes)
        };
        let lines: String = text.lines().map(line).collect();
        all.insert("leaves/00000.ndjson".into(), lines.into_bytes());
        resealed(all, |_| {});
    });
    let all = house.found(&changed);
    assert!(all.iter().any(|(word, detail)| word == "leaf_changed" && detail.contains("leaves/00000.ndjson")), "{all:?}");
}

#[test]
fn another_key_or_another_book_is_refused() {
    let house = House::new(Kind::Sqlite);
    let (out, _) = house.archived("whole", (0, 256), false);
    let other = SignerKey::from_seed(house.key.name(), [3; 32]).unwrap();
    let signed = copied(&out, "signed", |all| {
        let note = Note::parse(&all["checkpoint"]).unwrap();
        let checkpoint = Checkpoint::parse(note.unverified_text()).unwrap();
        let again = Checkpoint::new(other.name(), checkpoint.size, checkpoint.root).sign(&[&other]).unwrap();
        all.insert("checkpoint".into(), again.to_string().into_bytes());
        resealed(all, |_| {});
    });
    assert_eq!(words(&house.found(&signed)), ["checkpoint_untrusted"]);
    // With that key it verifies: the key must come from elsewhere.
    assert_eq!(found(&signed, &other.verifier()), []);

    // Leaves of another log under our checkpoint, with everything else made to fit.
    let stranger = House::seeded(Kind::Sqlite, 8, |_| {});
    let (theirs, _) = stranger.archived("theirs", (0, 256), false);
    let mixed = copied(&theirs, "mixed", |all| {
        let mine = files(&out);
        all.insert("checkpoint".into(), mine["checkpoint"].clone());
        let newest = Manifest::parse(&mine[MANIFEST]).unwrap();
        resealed(all, |manifest| {
            (manifest.origin, manifest.size, manifest.root) = (newest.origin, newest.size, newest.root);
        });
    });
    let all = house.found(&mixed);
    assert!(!all.is_empty(), "an archive of another book under our checkpoint");
    assert_eq!(words(&house.found(&theirs)), ["checkpoint_untrusted"]);
}
