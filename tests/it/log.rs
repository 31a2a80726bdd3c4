//! The log for those who trust nobody: checkpoints, tiles, proofs; and the start that refuses a
//! database which is not the one that was signed.

use counterfoil::access::Role;
use counterfoil::app::App;
use counterfoil::clock::Clock;
use counterfoil::ledger::leaves;
use counterfoil::trail::keys::KeyFolder;
use counterfoil::trail::returned::Compared;
use counterfoil::trail::store as trail;
use counterfoil::trail::tree::Tree;
use counterfoil_verify::tile::{WIDTH, path};
use counterfoil_verify::tree::verify_consistency;
use counterfoil_verify::{Checkpoint, Frontier, Hash, Note, Origin, TlogProof, leaf};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{Bank, Kind, entry, on_both};
use crate::site::{Answer, Site};

/// A site with `n` entries on one account, signed.
fn site(kind: Kind, n: i64) -> Site {
    let site = Site::open(kind);
    let sent = (0..n).map(|i| entry(&format!("E{i}"), "A-1", "2026-03-02T10:00:00Z", i * 100, i * 100 + 100)).collect();
    assert_eq!(site.bank.submit(sent).len() as i64, n);
    site.app.sign();
    site
}

/// The newest checkpoint, opened with the log's key.
fn signed(site: &Site) -> Checkpoint {
    let answer = Answer::of(site.plain(Method::GET, "/log/checkpoint").send().unwrap());
    assert_eq!(answer.status, 200, "{answer:#?}");
    let note = Note::parse(&answer.text).unwrap();
    Checkpoint::open(&note, &[site.app.signer.verifier()], Origin::OfKey).unwrap().checkpoint
}

#[test]
fn a_receipt_is_proven_against_the_signed_checkpoint() {
    on_both(|kind| {
        let site = site(kind, 300);
        let sent = entry("LAST", "A-1", "2026-03-02T10:00:00Z", 30_000, 30_100);
        let receipt = site.post("/api/v1/entries", &sent).json();
        let seq = receipt["seq"].as_i64().unwrap();
        site.get(&format!("/api/v1/log/proof/{seq}")).problem(503, "not_signed_yet");
        site.app.sign();
        let answer = site.get(&format!("/api/v1/log/proof/{seq}"));
        let proof = TlogProof::parse(&answer.text).unwrap();
        let leaf: Hash = hex::decode(receipt["leaf"].as_str().unwrap()).unwrap().try_into().unwrap();
        let key = site.app.signer.verifier();
        let proven = proof.verify(&leaf, std::slice::from_ref(&key), Origin::OfKey).unwrap();
        assert_eq!((proof.index, proven.checkpoint), (seq.unsigned_abs(), signed(&site)));
        assert_eq!(leaf::hash(&proof.extra.clone().unwrap()), leaf, "who may see the rules hit gets the leaf");
        let reader = site.issue("core", "read");
        let bare = site.plain(Method::GET, &format!("/api/v1/log/proof/{seq}")).bearer_auth(&reader).send().unwrap();
        let bare = TlogProof::parse(bare.text().unwrap()).unwrap();
        assert_eq!((bare.extra, bare.hashes), (None, proof.hashes.clone()));
        let officer = site.sign_in(Role::Auditor);
        let seen = site.plain(Method::GET, "/api/v1/log/proof/0").header("cookie", &officer.cookie).send().unwrap();
        assert!(TlogProof::parse(seen.text().unwrap()).unwrap().extra.is_some());
        let mut other = leaf;
        other[7] ^= 1;
        assert!(proof.verify(&other, &[key], Origin::OfKey).is_err());
    });
}

#[test]
fn a_change_is_proven_like_an_entry_to_whoever_sent_it() {
    on_both(|kind| {
        let site = site(kind, 3);
        let sent =
            json!({ "source_ref": "CH-1", "type": "customer", "id": "C-1", "action": "create", "after": { "name": "Ann" } });
        let receipt = site.post("/api/v1/changes", &sent).json();
        let seq = receipt["seq"].as_i64().unwrap();
        site.app.sign();
        let proof = TlogProof::parse(&site.get(&format!("/api/v1/log/proof/{seq}")).text).unwrap();
        let leaf: Hash = hex::decode(receipt["leaf"].as_str().unwrap()).unwrap().try_into().unwrap();
        proof.verify(&leaf, &[site.app.signer.verifier()], Origin::OfKey).unwrap();
        assert_eq!(proof.extra, None);
        let other = site.issue("other", "read");
        let asked = site.plain(Method::GET, &format!("/api/v1/log/proof/{seq}")).bearer_auth(&other).send().unwrap();
        Answer::of(asked).problem(404, "not_found");
    });
}

#[test]
fn a_key_gets_no_proof_of_what_another_source_sent() {
    on_both(|kind| {
        let site = site(kind, 3);
        let size = signed(&site).size;
        let other = site.issue("other", "read");
        let ask = |seq: u64| {
            Answer::of(site.plain(Method::GET, &format!("/api/v1/log/proof/{seq}")).bearer_auth(&other).send().unwrap())
        };
        for seq in [0, size - 1] {
            ask(seq).problem(404, "not_found");
        }
        let officer = site.sign_in(Role::Auditor);
        let answer = site.plain(Method::GET, "/api/v1/log/proof/0").header("cookie", &officer.cookie).send().unwrap();
        assert_eq!(answer.status(), 200);
        ask(size + 1_000).problem(404, "not_found");
    });
}

#[test]
fn tiles_give_the_signed_root_and_every_size_extends_the_one_before() {
    on_both(|kind| {
        let site = site(kind, 600);
        let now = signed(&site);
        let mut grown = Frontier::default();
        let mut roots = vec![grown.root()];
        for index in 0..now.size.div_ceil(WIDTH as u64) {
            let width = (now.size - index * WIDTH as u64).min(WIDTH as u64);
            let answer = site.by_key(Method::GET, &format!("/log/{}", path(0, index, width as u16))).send().unwrap();
            assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"));
            let data = answer.bytes().unwrap();
            assert_eq!(data.len(), width as usize * 32);
            for hash in data.as_chunks::<32>().0 {
                grown.push(*hash);
                roots.push(grown.root());
            }
        }
        assert_eq!(grown.root(), now.root);
        for from in [1, 2, 255, 256, 257, now.size - 1, now.size] {
            let answer = site.get(&format!("/api/v1/log/consistency?from={from}&to={}", now.size)).json();
            let proof: Vec<Hash> = answer["proof"]
                .as_array()
                .unwrap()
                .iter()
                .map(|h| hex::decode(h.as_str().unwrap()).unwrap().try_into().unwrap())
                .collect();
            assert!(verify_consistency(from, now.size, &proof, &roots[from as usize], &now.root), "{from}");
        }
        site.get(&format!("/api/v1/log/consistency?from=1&to={}", now.size + 1_000)).problem(400, "parameter_invalid");
        assert_eq!(site.get("/log/tile/0/000.p/0").status, 404);
        assert_eq!(site.get("/log/tile/1/000.p/9").status, 404);
        let upper = site.by_key(Method::GET, &format!("/log/{}", path(1, 0, 2))).send().unwrap().bytes().unwrap();
        assert_eq!(upper.len(), 64);
    });
}

#[test]
fn what_an_officer_brings_back_is_compared_and_recorded() {
    on_both(|kind| {
        let site = site(kind, 5);
        let old = Answer::of(site.plain(Method::GET, "/log/checkpoint").send().unwrap()).text;
        site.post("/api/v1/entries", &entry("NEXT", "A-1", "2026-03-02T10:00:00Z", 500, 600));
        let who = site.sign_in(Role::Auditor);
        let send = |text: &str| {
            let form = [("csrf", who.csrf.as_str()), ("text", text)];
            Answer::of(site.plain(Method::POST, "/trail/checkpoints").header("cookie", &who.cookie).form(&form).send().unwrap())
        };
        let quoted: String = old.lines().map(|line| format!("> {line}\r\n")).collect();
        let done = send(&format!("From: monitor\r\n\r\n{quoted}"));
        assert!(done.status == 303 && done.header("set-cookie").contains("holds."), "{done:#?}");
        let size = Checkpoint::parse(Note::parse(&old).unwrap().unverified_text()).unwrap().size;
        let returned = site.events("anchor.returned");
        assert_eq!((returned.len(), returned[0]["size"].as_u64(), &returned[0]["how"]), (1, Some(size), &json!("officer")));
        assert_eq!(site.app.db.read(trail::newest_anchor).unwrap().unwrap().size, size as i64);
        let changed = old.replacen(&size.to_string(), &(size - 1).to_string(), 1);
        for (text, told) in [(changed.as_str(), "fails."), ("nothing", "absent."), ("", "absent.")] {
            assert!(send(text).header("set-cookie").contains(told), "{text}");
        }
        assert_eq!(site.events("anchor.refused").len(), 3);
        // One that contradicts is seen whatever stands under it.
        let signer = KeyFolder::of(&site.bank.config, site.bank.db.address()).key(old.lines().next().unwrap()).unwrap().unwrap();
        let forked =
            old.lines().take(2).chain(["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]).collect::<Vec<_>>().join("\n") + "\n";
        let forked = Note::sign(&forked, &[&signer]).unwrap().to_string();
        assert!(send(&format!("{forked}\n{old}")).header("set-cookie").contains("fails."));
        assert_eq!(site.events("anchor.contradicted").len(), 1);
        let page = Answer::of(site.plain(Method::GET, "/trail").header("cookie", &who.cookie).send().unwrap()).text;
        assert!(
            page.contains(&site.app.signer.verifier().to_string().replace('+', "&#43;"))
                || page.contains(&site.app.signer.verifier().to_string())
        );
        assert!(page.contains("Brought back by an officer"));
    });
}

#[test]
fn a_state_that_the_key_signed_but_the_log_does_not_hold_is_said() {
    on_both(|kind| {
        let site = site(kind, 5);
        // Another machine, the same key: what a thief of the key would sign.
        let folder = counterfoil::trail::keys::KeyFolder::of(&site.bank.config, site.bank.db.address());
        let origin = site.app.signer.verifier().name().to_owned();
        let key = folder.key(&origin).unwrap().unwrap();
        let forged = Checkpoint::new(&origin, 4, [9; 32]).sign(&[&key]).unwrap().to_string();
        let who = site.sign_in(Role::Officer);
        let form = [("csrf", who.csrf.as_str()), ("text", &forged)];
        let sent = site.plain(Method::POST, "/trail/checkpoints").header("cookie", &who.cookie).form(&form).send().unwrap();
        assert_eq!(sent.status(), 303);
        assert_eq!(site.events("anchor.contradicted")[0]["size"], 4);
        let page = || Answer::of(site.plain(Method::GET, "/trail").header("cookie", &who.cookie).send().unwrap()).text;
        let warned = || {
            let answer = Answer::of(site.plain(Method::GET, "/readyz").send().unwrap());
            let body: Value = serde_json::from_str(&answer.text).unwrap();
            body["checks"].as_array().unwrap().iter().any(|check| check["name"] == "anchor" && check["warning"] == true)
        };
        assert!(page().contains("A checkpoint of 4 leaves, signed with this log&#39;s key") && warned(), "{}", page());
        assert_eq!(site.bank.findings(), [], "{kind:?}: what stays in sight follows from the log");
        // A true one of as many leaves takes it from nobody's sight.
        let root = site.app.db.read(|conn| {
            let state = trail::state(conn)?.unwrap();
            Tree::of(conn, &state, leaves::hashes).root_at(4)
        });
        let root = root.unwrap().unwrap();
        let by = json!({ "user": 1 });
        let fits = move |root| Compared::Consistent { size: 4, root };
        site.app.log().act(move |tx| fits(root).record(tx, "officer", &by)).unwrap();
        assert!(page().contains("A checkpoint of 4 leaves, signed with") && warned());
        // Where the rows were put back from a backup, the same checkpoint fits again.
        let by = json!({ "user": 1 });
        site.app.log().act(move |tx| fits([9; 32]).record(tx, "officer", &by)).unwrap();
        assert!(!page().contains("A checkpoint of 4 leaves, signed with") && !warned());
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn one_of_more_leaves_than_any_log_has_stays_in_sight_too() {
    on_both(|kind| {
        let site = site(kind, 2);
        let origin = site.app.signer.verifier().name().to_owned();
        let folder = KeyFolder::of(&site.bank.config, site.bank.db.address());
        let key = folder.key(&origin).unwrap().unwrap();
        let who = site.sign_in(Role::Officer);
        for size in [u64::MAX, 1 << 63] {
            let forged = Checkpoint::new(&origin, size, [9; 32]).sign(&[&key]).unwrap().to_string();
            let form = [("csrf", who.csrf.as_str()), ("text", &forged)];
            let sent = site.plain(Method::POST, "/trail/checkpoints").header("cookie", &who.cookie).form(&form).send().unwrap();
            assert_eq!(sent.status(), 303);
            let page = Answer::of(site.plain(Method::GET, "/trail").header("cookie", &who.cookie).send().unwrap()).text;
            assert!(page.contains(&format!("A checkpoint of {size} leaves, signed with this log&#39;s key")), "{page}");
        }
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}

/// Opens the program on the bank's database; the error's words if it refuses.
fn opened(bank: &Bank) -> Result<App, String> {
    App::start(bank.config.clone(), bank.db.clone(), Clock::system()).map_err(|e| e.to_string())
}

#[test]
fn an_emptied_database_is_not_begun_anew() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        bank.intake.stop();
        opened(&bank).unwrap().stop();
        let mut conn = counterfoil::db::Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        for table in ["entries", "events", "tiles", "checkpoints"] {
            let sql = match kind {
                Kind::Sqlite => format!("DROP TRIGGER {table}_no_delete; DELETE FROM {table};"),
                Kind::Postgres => format!("ALTER TABLE {table} DISABLE TRIGGER ALL; DELETE FROM {table};"),
            };
            conn.execute(&sql).unwrap();
        }
        conn.execute("DELETE FROM log_state").unwrap();
        let words = opened(&bank).err().expect("an emptied database is refused");
        assert!(words.contains("is empty, but it held the log"), "{words}");
    });
}

#[test]
fn leaves_changed_below_the_signed_size_are_noticed_at_the_start() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        bank.intake.stop();
        opened(&bank).unwrap().stop();
        let mut conn = counterfoil::db::Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
        let sql = match kind {
            Kind::Sqlite => {
                "DROP TRIGGER events_no_update; UPDATE events SET body = '{\"version\":\"9\"}' WHERE kind = 'program.started';"
            }
            Kind::Postgres => {
                "ALTER TABLE events DISABLE TRIGGER ALL; UPDATE events SET body = '{\"version\":\"9\"}' WHERE kind = 'program.started';"
            }
        };
        conn.execute(sql).unwrap();
        let words = opened(&bank).err().expect("changed leaves are refused");
        assert!(words.contains("they were changed"), "{words}");
    });
}

#[test]
fn the_verifier_key_outlives_the_program() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        bank.intake.stop();
        let first = opened(&bank).unwrap();
        let key = first.signer.verifier();
        first.stop();
        let second = opened(&bank).unwrap();
        assert_eq!(second.signer.verifier(), key);
        let rows = second.db.read(|conn| trail::checkpoints_after(conn, 0, 100)).unwrap();
        assert!(rows.len() >= 3 && rows.iter().zip(1..).all(|(row, number)| row.number == number), "{}", rows.len());
        second.stop();
    });
}
