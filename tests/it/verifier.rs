//! The two verifiers that need neither our database nor our network, on an export of a real log: the
//! engine of `counterfoil-verify`, and `verifier/verify.html` in a browser, opened from a file.

mod archived;
mod beside;
pub mod exported;
mod generations;
mod rotations;
mod specimens;

use std::fs;
use std::path::{Path, PathBuf};

use counterfoil::reports;
use counterfoil::trail::NewEvent;
use counterfoil::trail::keys::KeyFolder;
use counterfoil_verify::export::{leaf_line, leaves_path, parse_bundle_line, parse_leaf};
use counterfoil_verify::heads::KIND;
use counterfoil_verify::heads_proof::{Claim, HeadsProof};
use counterfoil_verify::{Checkpoint, Note, SignerKey, VerifierKey};
use lettre::message::header::ContentTransferEncoding;
use lettre::message::{Body, Message};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thirtyfour::prelude::*;

use crate::bank::{Kind, entry, on_both};
use crate::site::{Answer, Site};
use crate::support::browser::Browser;
use crate::support::program::Program;

use exported::{Exported, folder};

const ENTRIES: i64 = 300;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("verifier/verify.html")
}

/// A bank with entries on a few accounts, with private parts and a signed checkpoint now and then.
fn bank(kind: Kind) -> Site {
    let site = Site::open(kind);
    for part in 0..3 {
        let from = part * ENTRIES / 3;
        let sent = (from..from + ENTRIES / 3).map(|i| {
            let mut sent =
                entry(&format!("E{i}"), &format!("KONTO-{}", i % 7), "2026-03-02T10:00:00Z", i / 7 * 100, i / 7 * 100 + 100);
            sent["counterparty_name"] = json!(format!("Zoë {i}"));
            sent
        });
        site.bank.submit(sent.collect());
        site.app.sign();
    }
    site
}

fn checkpoint(site: &Site) -> String {
    Answer::of(site.plain(Method::GET, "/log/checkpoint").send().unwrap()).text
}

fn secret(site: &Site) -> SignerKey {
    let folder = KeyFolder::of(&site.bank.config, site.bank.db.address());
    folder.key(site.app.signer.verifier().name()).unwrap().unwrap()
}

#[test]
fn an_export_of_either_database_is_verified_by_the_engine() {
    on_both(|kind| {
        let site = bank(kind);
        let key = site.app.signer.verifier();
        for private in [false, true] {
            let exported = Exported::of(&site, private);
            assert!(exported.0.keys().filter(|p| p.starts_with("checkpoints/")).count() >= 2);
            assert_eq!(exported.findings(&key, &[&checkpoint(&site)]), [""; 0]);
            assert!(exported.clone().flipped(200).findings(&key, &[]).contains(&"leaf_changed"));
        }
        let bare = Exported::of(&site, false);
        let leaves = String::from_utf8(bare.0[&leaves_path(0)].clone()).unwrap();
        for (seq, leaf) in leaves.lines().map(|line| parse_leaf(line).unwrap()) {
            let text = String::from_utf8_lossy(&leaf).into_owned();
            assert!(!text.contains("KONTO") && !text.contains("Zoë"), "personal data in leaf {seq}: {text}");
        }
        assert!(!bare.0.keys().any(|path| path.starts_with("private/")));
        let private = &Exported::of(&site, true).0["private/00000.ndjson"];
        assert!(String::from_utf8_lossy(private).contains("KONTO-3"), "what the leaves do not say is private");
    });
}

#[test]
fn the_command_writes_a_folder_and_a_bundle() {
    let home = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", home.path().join("bank.db").display());
    let command = |args: &[&str]| Program::new(home.path()).args(args).args(["--database", &database]);
    let serve = command(&[]).spawn_serve();
    command(&["key", "issue", "--source", "core"]).run().succeeded();
    let key: VerifierKey = command(&["log", "key"]).run().succeeded().stdout.trim().parse().unwrap();
    command(&["log", "export", "--out", "out", "--private"]).run().succeeded();
    let exported = folder(&home.path().join("out"));
    assert_eq!(exported.findings(&key, &[]), [""; 0]);
    assert!(exported.0.contains_key("README.txt") && exported.0.contains_key("private/00000.ndjson"));
    let again = command(&["log", "export", "--out", "out"]).run().failed_with(2);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
    command(&["log", "export", "--out", "log.cfx", "--bundle"]).run().succeeded();
    let text = fs::read_to_string(home.path().join("log.cfx")).unwrap();
    let bundle = Exported(text.lines().skip(1).map(|line| parse_bundle_line(line).unwrap()).collect());
    assert_eq!(bundle.findings(&key, &[]), [""; 0]);
    command(&["log", "export", "--out", "log.cfx", "--bundle"]).run().failed_with(2);
    drop(serve);

    let verify = |path: &str, more: &[&str]| command(&[&["verify", "--json", "--export", path], more].concat()).run();
    for path in ["out", "log.cfx"] {
        let said = verify(path, &[]).succeeded();
        assert!(said.stdout.contains("is undetectable"), "{}", said.stdout);
        assert!(said.stderr.contains("to an outsider this proves nothing"), "{}", said.stderr);
        verify(path, &["--key", &key.to_string()]).succeeded();
    }
    let other = SignerKey::from_seed(key.name(), [3; 32]).unwrap().verifier().to_string();
    let refused = verify("out", &["--key", &other]).failed_with(1);
    assert!(refused.stdout.contains("checkpoint_untrusted"), "{}", refused.stdout);
    fs::write(home.path().join("kept.txt"), &bundle.0["checkpoint"]).unwrap();
    let cut = verify("out", &["--checkpoint", "kept.txt"]).failed_with(1);
    assert!(cut.stdout.contains("log_shorter"), "{}", cut.stdout);
    fs::write(home.path().join("out/leaves/00000.ndjson"), "").unwrap();
    let emptied = verify("out", &[]).failed_with(1);
    assert!(emptied.stdout.contains("leaf_missing"), "{}", emptied.stdout);
    verify("nothing", &[]).failed_with(2);
}

#[test]
fn the_published_hash_is_that_of_the_page() {
    let page = fs::read(page()).unwrap();
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verifying.md")).unwrap();
    let hash = hex::encode(Sha256::digest(page));
    assert!(docs.contains(&hash), "docs/verifying.md must publish the SHA-256 of verifier/verify.html: {hash}");
}

/// The page, and what is handed to it.
pub struct Desk {
    browser: Browser,
    folder: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Desk {
        Desk { browser: Browser::start(), folder: tempfile::tempdir().unwrap() }
    }

    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Opens the page, hands it the key and the files, and reads the verdict and everything under it.
    fn verify(&self, key: &str, input: &str, files: &[String]) -> (String, String) {
        self.browser.goto(&format!("file://{}", page().display()));
        if !key.is_empty() {
            self.browser.fill("#key", key);
        }
        let files = files.join("\n");
        self.browser.run(async |driver| {
            driver.find(By::Css(input)).await?.send_keys(files).await?;
            driver.query(By::Css("#taken li")).first().await?;
            driver.find(By::Css("#verify")).await?.click().await
        });
        let word = self.browser.text("#verdict[data-verdict]:not([hidden]) #word");
        (word, self.browser.text("#verdict"))
    }

    #[track_caller]
    pub fn accepts(&self, key: &str, input: &str, files: &[String]) -> String {
        let (word, text) = self.verify(key, input, files);
        assert_eq!(word, "✓ Verified", "{text}");
        text
    }

    #[track_caller]
    fn refuses(&self, key: &str, files: &[String], because: &str) {
        let (word, text) = self.verify(key, "#files", files);
        assert_eq!(word, "✗ Not verified", "{text}");
        assert!(text.contains(because), "{because}: {text}");
    }

    fn shoot(&self, name: &str) {
        let height: i64 = self.browser.run(async |driver| {
            driver.set_window_rect(0, 0, 1100, 900).await?;
            driver.execute("return document.documentElement.scrollHeight", vec![]).await?.convert()
        });
        let height = u32::try_from(height + 150).unwrap().min(4_500);
        self.browser.run(async |driver| driver.set_window_rect(0, 0, 1100, height).await);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        fs::create_dir_all(&folder).unwrap();
        self.browser.screenshot(&folder.join(format!("{name}.png")));
    }
}

#[test]
fn the_page_accepts_a_real_export_and_refuses_five_others() {
    let (site, desk) = (bank(Kind::Sqlite), Desk::new());
    let verifier = site.app.signer.verifier();
    let key = verifier.to_string();
    let (early, good) = (Exported::of(&site, true), checkpoint(&site));
    site.bank.record(entry("MORE", "A-9", "2026-03-02T11:00:00Z", 0, 100));
    site.app.sign();
    let exported = Exported::of(&site, true);
    let bundle = |name: &str, files: &Exported| desk.put(name, files.bundle());
    // As it stands in a mail: quoted, among other words.
    let quoted: String = good.lines().map(|line| format!("> {line}\r\n")).collect();
    let kept = desk.put("kept.txt", format!("From: monitor\r\n\r\n{quoted}\r\nregards\r\n"));

    let text = desk.accepts(&key, "#files", &[bundle("export.cfx", &exported), kept.clone()]);
    assert!(text.contains(&exported.checkpoint().size.to_string()) && text.contains("1 kept by you"), "{text}");
    // And as a mail program saves it.
    let body = Body::new_with_encoding(format!("Dear all,\n\n{good}\nregards\n"), ContentTransferEncoding::QuotedPrintable);
    let (from, to) = ("monitor@bank.example".parse().unwrap(), "officer@bank.example".parse().unwrap());
    let mail = Message::builder().from(from).to(to).subject("Checkpoint").body(body.unwrap()).unwrap().formatted();
    assert!(!String::from_utf8_lossy(&mail).contains(&good), "it is encoded");
    let saved = desk.put("saved.eml", mail);
    let text = desk.accepts(&key, "#files", &[bundle("export.cfx", &exported), saved]);
    assert!(text.contains("1 kept by you"), "{text}");
    desk.shoot("verifier-good");
    for (path, content) in &exported.0 {
        desk.put(&format!("folder/{path}"), content);
    }
    desk.accepts(&key, "#folder", &[desk.folder.path().join("folder").to_str().unwrap().to_owned()]);

    // One: a flipped byte.
    let flipped = exported.clone().flipped(200);
    assert!(flipped.findings(&verifier, &[]).contains(&"leaf_changed"));
    desk.refuses(&key, &[bundle("flipped.cfx", &flipped)], "leaf_changed, leaf 200");
    desk.shoot("verifier-bad");
    // Two: everything made again and signed, by another key of the same name or by the right one.
    let thief = SignerKey::from_seed(verifier.name(), [9; 32]).unwrap();
    let resigned = exported.clone().flipped(3).resealed(&thief);
    assert_eq!(resigned.findings(&verifier, &[]), ["checkpoint_untrusted"]);
    desk.refuses(&key, &[bundle("resigned.cfx", &resigned)], "no key you gave has signed it");
    let stolen = exported.clone().flipped(3).resealed(&secret(&site));
    assert!(stolen.findings(&verifier, &[&good]).contains(&"checkpoint_differs"));
    desk.refuses(&key, &[bundle("stolen.cfx", &stolen), kept], "was never a state of this log");
    // Three: cut below a checkpoint that somebody kept.
    let newest = checkpoint(&site);
    assert_eq!(early.findings(&verifier, &[&newest]), ["log_shorter"]);
    desk.refuses(&key, &[bundle("cut.cfx", &early), desk.put("newest.txt", &newest)], "it was cut, or an older copy is shown");
    // Four: another book, under its own name and under this one's.
    let other = SignerKey::from_seed("other.example/book", [5; 32]).unwrap();
    let book = exported.clone().moved(&other);
    assert_eq!(book.findings(&other.verifier(), &[]), [""; 0]);
    desk.refuses(&key, &[bundle("other.cfx", &book)], "this is another log");
    let posing = book.resealed(&secret(&site));
    assert_eq!(posing.findings(&verifier, &[]), ["origin_differs"]);
    desk.refuses(&key, &[bundle("posing.cfx", &posing)], "origin_differs");
    // Five: no key.
    let (word, text) = desk.verify("", "#files", &[bundle("again.cfx", &exported)]);
    assert_eq!(word, "Nothing was verified", "{text}");
    assert!(text.contains("there is no key"), "{text}");
    desk.refuses(&other.verifier().to_string(), &[bundle("once-more.cfx", &exported)], "this is another log");
}

#[test]
fn the_page_refuses_leaves_that_no_checkpoint_covers_and_checkpoints_that_no_leaves_reach() {
    let (site, desk) = (bank(Kind::Sqlite), Desk::new());
    let verifier = site.app.signer.verifier();
    let (key, exported) = (verifier.to_string(), Exported::of(&site, true));
    let size = exported.checkpoint().size;
    let mut longer = exported.clone();
    let more = leaf_line(size, &exported.leaf(size - 1));
    longer.0.get_mut(&leaves_path(0)).unwrap().extend(more.bytes());
    assert_eq!(longer.findings(&verifier, &[]), ["leaf_beyond"]);
    desk.refuses(&key, &[desk.put("longer.cfx", longer.bundle())], &format!("leaf_beyond, leaf {size}"));
    let mut file = exported.clone();
    file.0.insert(leaves_path(5 << 14), more.into_bytes());
    assert_eq!(file.findings(&verifier, &[]), ["leaf_beyond"]);
    desk.refuses(&key, &[desk.put("file.cfx", file.bundle())], "leaves has a file of number 5");
    let mut huge = exported.clone();
    let signed = Checkpoint::new(verifier.name(), 1 << 40, [1; 32]).sign(&[&secret(&site)]).unwrap();
    huge.0.insert("checkpoint".into(), signed.to_string().into_bytes());
    assert!(huge.findings(&verifier, &[]).contains(&"root_unknown"));
    desk.refuses(&key, &[desk.put("huge.cfx", huge.bundle())], "leaf_missing");
    // A checkpoint with extension lines, as it stands in a mail, is one like any other.
    let newest = exported.checkpoint();
    let extended = Note::sign(&format!("{newest}one more line\nand another\n"), &[&secret(&site)]).unwrap();
    let kept = desk.put("kept.txt", format!("Dear all,\nthe checkpoint:\n{extended}\nregards\n"));
    let text = desk.accepts(&key, "#files", &[desk.put("export.cfx", exported.bundle()), kept]);
    assert!(text.contains("1 kept by you"), "{text}");
}

#[test]
fn the_page_verifies_receipts_and_reports_with_their_proofs() {
    let (site, desk) = (bank(Kind::Sqlite), Desk::new());
    let key = site.app.signer.verifier().to_string();
    let sent = entry("LAST", "A-9", "2026-03-02T11:00:00Z", 0, 100);
    let receipt = site.post("/api/v1/entries", &sent).json();
    site.app.sign();
    let seq = receipt["seq"].as_u64().unwrap();
    let proof = desk.put("entry.tlog-proof", site.get(&format!("/api/v1/log/proof/{seq}")).text);
    let paper = |name: &str, receipt: &Value| desk.put(name, receipt.to_string());
    let text = desk.accepts(&key, "#files", &[proof.clone(), paper("receipt.json", &receipt)]);
    assert!(text.contains(&format!("Leaf {seq} is in this log")), "{text}");
    let mut other = receipt.clone();
    other["leaf"] = json!("ab".repeat(32));
    desk.refuses(&key, &[proof.clone(), paper("other.json", &other)], "was changed");
    let mut moved = receipt.clone();
    moved["seq"] = json!(seq - 1);
    desk.refuses(&key, &[proof, paper("moved.json", &moved)], "The receipt names this place");

    let context = reports::Context::new(&site.app.config, site.app.clock.clone());
    let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
    reports::make(&site.app.log(), &site.app.db, &context, date, &reports::page::frozen).unwrap();
    let stored = site.app.db.read(|conn| reports::load(conn, date, None)).unwrap().unwrap();
    site.app.sign();
    let exported = desk.put("export.cfx", Exported::of(&site, false).bundle());
    for (name, content) in [("report.json", &stored.body), ("report.html", &stored.html)] {
        desk.accepts(&key, "#files", &[exported.clone(), desk.put(name, content)]);
        desk.refuses(&key, &[exported.clone(), desk.put(name, format!("{content} "))], "no event of this log names");
    }
    desk.accepts(&key, "#files", &[exported.clone(), paper("receipt.json", &receipt)]);
    desk.refuses(&key, &[exported, paper("other.json", &other)], "receipt_unknown");
}

#[test]
fn the_page_makes_account_heads_again() {
    let (site, desk) = (bank(Kind::Sqlite), Desk::new());
    let key = site.app.signer.verifier();
    // A close that covers all but the last 20 leaves, so that later entries must be taken back.
    let before = Exported::of(&site, false);
    let size = before.checkpoint().size - 20;
    let heads = before.heads(size);
    let commit = |body: Value| {
        let seq = site.app.log().append(NewEvent::public(KIND, body)).unwrap();
        site.app.sign();
        (seq.unsigned_abs(), Exported::of(&site, false))
    };
    let (event, closed) = commit(heads.close("2026-03-02", size).body());
    assert_eq!(closed.findings(&key, &[]), [""; 0]);
    let text = desk.accepts(&key.to_string(), "#files", &[desk.put("closed.cfx", closed.bundle())]);
    assert!(text.contains("last close: 2026-03-02"), "{text}");

    let account = heads.accounts().next().unwrap();
    let made =
        |claim, account, heads| HeadsProof { claim, account, heads, event: closed.leaf(event), proof: closed.proof(event) };
    let last = made(Claim::Last, account, vec![heads.prove_last(account).unwrap()]);
    let put = |name: &str, proof: &HeadsProof| [desk.put(&format!("{name}.heads-proof"), proof.to_string())];
    let text = desk.accepts(&key.to_string(), "#files", &put("last", &last));
    assert!(text.contains(&format!("was the last of account {account} at the close of 2026-03-02")), "{text}");
    for absent in [1, account + 1, 9_999] {
        let Ok(beside) = heads.prove_absent(absent) else { continue };
        let text = desk.accepts(&key.to_string(), "#files", &put("absent", &made(Claim::Absent, absent, beside)));
        assert!(text.contains(&format!("Account {absent} had no entry")), "{text}");
    }
    let lie = made(Claim::Absent, account, heads.prove_absent(9_999).unwrap());
    desk.refuses(&key.to_string(), &put("lie", &lie), "do not prove what it says");
    let mut stale = last;
    stale.heads[0].head.position -= 1;
    desk.refuses(&key.to_string(), &put("stale", &stale), "stale or changed");

    let mut wrong = closed.heads(size).close("2026-03-03", size);
    wrong.root[0] ^= 1;
    let (_, differing) = commit(wrong.body());
    assert_eq!(differing.findings(&key, &[]), ["heads_differ"]);
    desk.refuses(&key.to_string(), &[desk.put("differing.cfx", differing.bundle())], "heads_differ");
    let (_, twice) = commit(heads.close("2026-03-03", size).body());
    assert_eq!(twice.findings(&key, &[]), ["heads_differ", "close_repeated"]);
    desk.refuses(&key.to_string(), &[desk.put("twice.cfx", twice.bundle())], "close_repeated");
}
