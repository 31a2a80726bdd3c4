//! Commands beside a running server, the interface, and the pages in a browser.

use std::path::Path;

use counterfoil::access::{Role, users};
use counterfoil::config::{Config, Source};
use counterfoil::privacy::{EraseSubject, Scope, Subject};
use counterfoil::trail::keys::KeyFolder;
use counterfoil::trail::sealing::{self, Challenged, NewRecovery, PrivateKey};
use counterfoil::trail::store;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{Home, Kind, entry, on_both};
use crate::site::{Answer, PASSWORD, Site};
use crate::support::browser::Browser;
use crate::support::program::Program;

const WHY: &str = "Asked by the prosecutor in letter 12 of the second of March.";

fn sensitive(config: &mut Config) {
    config.source = vec![Source { name: "core".into(), sensitive: vec!["reason".into()], ..Source::default() }];
}

fn row(reference: &str, n: i64) -> Value {
    let mut row = entry(reference, "ACC-1", "2026-03-02T10:00:00Z", n, n + 1);
    row["party"] = json!("Open-Party");
    row["reason"] = json!("reason-canary");
    row
}

fn recovery(site: &Site) {
    let (keys, log) = (KeyFolder::of(&site.bank.config, site.app.db.address()), site.app.log());
    let origin = site.app.db.read(store::state).unwrap().unwrap().origin;
    let key = PrivateKey::new(&site.app.clock);
    let new = NewRecovery::of(&key, &site.app.clock, Value::Null).unwrap();
    log.act(move |tx| new.run(tx)).unwrap();
    let tested = site.app.db.read(Challenged::newest).unwrap().unwrap().open(&key, Value::Null).unwrap();
    log.act(move |tx| sealing::note_tested(tx, &keys, &origin, tested)).unwrap();
}

#[test]
fn keys_and_holds_are_kept_by_commands_beside_a_running_server() {
    on_both(|kind| {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let database = home.url();
        let settings = dir.path().join("bank.toml");
        std::fs::write(&settings, "[[source]]\nname = \"core\"\nsensitive = [\"reason\"]\n").unwrap();
        let with = |args: &[&str]| Program::new(dir.path()).args(args).args(["--database", &database, "--config"]).arg(&settings);
        let mut serve = with(&[]).spawn_serve();
        assert_eq!(with(&["keys", "status"]).run().failed_with(1).stdout.trim(), "recovery_key_untested");
        let file = dir.path().join("day.ndjson");
        std::fs::write(&file, format!("{}\n{}\n", row("R1", 0), row("R2", 1))).unwrap();
        let import = ["import", file.to_str().unwrap(), "--source", "core", "--json"];
        let refused = with(&import).run().failed_with(1).stdout;
        assert!(refused.contains("\"rejected\":2"), "{refused}");
        let paper = with(&["keys", "recovery", "new"]).run().succeeded().stdout.trim().to_owned();
        assert!(paper.starts_with("CFR1-") && paper.lines().count() == 1, "the key alone on stdout");
        let typo = paper.replace("CFR1", "CFR2");
        with(&["keys", "recovery", "test"]).input(typo).run().failed_with(2);
        with(&["keys", "recovery", "test"]).input(paper.to_lowercase()).run().succeeded();
        assert_eq!(with(&["keys", "status"]).run().succeeded().stdout.trim(), "ready");
        let taken = with(&import).run().succeeded().stdout;
        assert!(taken.contains("\"recorded\":2"), "{taken}");
        with(&["keys", "master", "rotate"]).run().succeeded();
        // Nobody learns from the answer what keeps a subject.
        let erase = |name: &str| {
            let run = with(&["subject", "erase", "--subject", name, "--reason", WHY]).run().failed_with(1);
            (run.stdout, run.stderr)
        };
        let by_retention = erase("ACC-1");
        let hold = with(&["subject", "hold", "add", "--subject", "-", "--reason", WHY]).input("ACC-1\n").run().succeeded().stdout;
        assert_eq!(erase("ACC-1"), by_retention);
        assert_eq!(erase("NOBODY"), by_retention);
        let listed = with(&["subject", "hold", "list"]).run().succeeded().stdout;
        assert!(listed.contains(hold.trim()) && listed.contains("ACC-1") && listed.contains("active"), "{listed}");
        with(&["subject", "hold", "release", hold.trim(), "--reason", WHY]).run().succeeded();
        with(&["subject", "hold", "release", hold.trim(), "--reason", WHY]).run().failed_with(2);
        with(&["verify"]).run().succeeded();
        assert_eq!(serve.terminate(), Some(0), "a clean stop");
        assert!(!serve.log().contains(&paper[5..22]), "the private key is in no log");
        // The master key is lost; the paper brings it back, without a server.
        let keys = match &home {
            Home::Sqlite(folder) | Home::Postgres(_, folder) => folder.path().join("keys"),
        };
        let keys = if keys.exists() { keys } else { dir.path().join("keys") };
        let master =
            std::fs::read_dir(&keys).unwrap().map(|f| f.unwrap().path()).find(|p| p.extension().is_some_and(|e| e == "master"));
        std::fs::remove_file(master.unwrap()).unwrap();
        assert_eq!(with(&["keys", "status"]).run().failed_with(1).stdout.trim(), "master_key_missing");
        with(&["keys", "recovery", "restore"]).input(paper).run().succeeded();
        assert_eq!(with(&["keys", "status"]).run().succeeded().stdout.trim(), "ready");
        with(&["verify"]).run().succeeded();
    });
}

#[test]
fn the_interface_says_when_nothing_can_be_sealed_and_never_gives_a_sealed_value() {
    on_both(|kind| {
        let site = Site::with(kind, sensitive);
        let check = |site: &Site| {
            let ready = Answer::of(site.plain(Method::GET, "/readyz").send().unwrap()).json();
            ready["checks"].as_array().unwrap().iter().find(|check| check["name"] == "sealing").unwrap().clone()
        };
        let refused = site.post("/api/v1/entries", &row("S1", 0));
        assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("recovery_key_untested")), "{refused:?}");
        assert!(refused.headers.contains_key("retry-after"));
        assert_eq!(check(&site)["ok"], false);
        recovery(&site);
        assert_eq!(check(&site)["ok"], true);
        let taken = site.post("/api/v1/entries", &row("S1", 0));
        assert_eq!(taken.status, 201, "{taken:?}");
        let seq = taken.json()["seq"].as_i64().unwrap();
        let shown = site.get(&format!("/api/v1/entries/{seq}"));
        assert_eq!((&shown.json()["sealed"], &shown.json()["party"]), (&json!(["reason"]), &json!("Open-Party")));
        assert!(!shown.text.contains("reason-canary"));
        let seen = |role: Role, reason: &str| {
            let who = site.sign_in(role);
            let form = [("csrf", who.csrf.as_str()), ("reason", reason)];
            let sent = site.plain(Method::POST, &format!("/entries/{seq}/reveal")).header("cookie", &who.cookie).form(&form);
            Answer::of(sent.send().unwrap())
        };
        for (role, reason, status) in [(Role::Officer, "short", 422), (Role::Analyst, WHY, 403), (Role::Admin, WHY, 403)] {
            let answer = seen(role, reason);
            assert_eq!(answer.status, status, "{role}");
            assert!(!answer.text.contains("reason-canary"), "{role}");
        }
        assert!(site.events("value.revealed").is_empty());
        for role in [Role::Officer, Role::Auditor] {
            let answer = seen(role, WHY);
            assert_eq!(answer.status, 200, "{role}");
            assert!(answer.text.contains("reason-canary"), "{role}");
        }
        let told = site.events("value.revealed");
        assert_eq!((told.len(), &told[0]["entry"], &told[0]["fields"]), (2, &json!(seq), &json!(["reason"])));
        let again = site.sign_in(Role::Officer);
        let page = site.plain(Method::GET, &format!("/entries/{seq}")).header("cookie", &again.cookie).send().unwrap();
        let page = Answer::of(page).text;
        assert!(page.contains("Sealed") && !page.contains("reason-canary"), "only the page that answered showed it");
    });
}

fn shoot(browser: &Browser, name: &str, width: u32) {
    let height: i64 = browser.run(async |driver| {
        driver.set_window_rect(0, 0, width, 900).await?;
        driver.execute("return document.documentElement.scrollHeight", vec![]).await?.convert()
    });
    let height = u32::try_from(height + 150).unwrap().min(4_500);
    browser.run(async |driver| driver.set_window_rect(0, 0, width, height).await);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    browser.screenshot(&folder.join(format!("{name}.png")));
}

#[test]
fn an_officer_opens_what_is_sealed_and_sees_what_was_erased() {
    let site = Site::with(Kind::Sqlite, sensitive);
    recovery(&site);
    let receipt = site.bank.record(row("S1", 0));
    let mut gone = entry("G1", "ACC-GONE-7", "2015-03-02T10:00:00Z", 0, 1);
    gone["party"] = json!("Petra-Canary");
    let gone_receipt = site.bank.record(gone);
    let officer = users::add(&site.app.log(), &site.app.clock, "ada@bank.example", Role::Officer, PASSWORD).unwrap();
    super::house::erased(&site.bank, Scope::Account, "ACC-GONE-7");
    let ask = EraseSubject {
        subject: Subject::new(Scope::Account, "ACC-1").unwrap(),
        reason: WHY.into(),
        by: Some(officer),
        whence: json!({}),
    };
    ask.run(&site.app.db, &site.app.log(), 0).unwrap();
    let browser = Browser::start();
    browser.goto(&site.url("/sign-in"));
    browser.fill("#email", "ada@bank.example");
    browser.fill("#password", PASSWORD);
    browser.click("form[action='/sign-in'] button");
    browser.text(".who");
    browser.goto(&site.url(&format!("/entries/{}", receipt.seq)));
    assert!(browser.text("main").contains("Sealed"));
    shoot(&browser, "entry-sealed", 1_280);
    browser.fill("#reveal-reason", WHY);
    browser.click("form[action$='/reveal'] button");
    let text = browser.text("main");
    assert!(text.contains("reason-canary"), "{text}");
    shoot(&browser, "entry-revealed", 390);
    browser.goto(&site.url(&format!("/entries/{}", gone_receipt.seq)));
    let text = browser.text("main");
    assert!(text.contains("Erased") && !text.contains("Petra-Canary") && !text.contains("ACC-GONE"), "{text}");
    shoot(&browser, "entry-erased", 1_280);
    browser.goto(&site.url("/trail"));
    let text = browser.text("main");
    assert!(text.contains("1 erasure carried out, 1 waiting") && text.contains("Ready: the recovery key was tested"), "{text}");
    shoot(&browser, "trail-privacy", 1_280);
    shoot(&browser, "trail-privacy-phone", 390);
    browser.goto(&site.url("/approvals"));
    assert!(browser.text("main").contains("Erase what is stored of a person"));
    shoot(&browser, "approvals-erasure", 1_280);
    drop(browser);
}
