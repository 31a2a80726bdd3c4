//! Several books in one installation: a log, a database and officers each, behind one listener; two instances, each of which
//! leads one and takes over the other.

use std::path::Path;
use std::time::{Duration, Instant};

use counterfoil::access::{Role, Scopes, keys, users};
use counterfoil::app::App;
use counterfoil::clock::Clock;
use counterfoil::config::Config;
use counterfoil::db::Db;
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};

use crate::bank::{Home, Kind, entry, on_both};
use crate::site::PASSWORD;
use crate::support::browser::Browser;
use crate::support::program::{Program, Server};

struct Installation {
    dir: tempfile::TempDir,
    homes: [Home; 2],
    /// A key of `main`, and one of `savings`.
    keys: [String; 2],
}

const BOOKS: [&str; 2] = ["main", "savings"];

impl Installation {
    fn new(kind: Kind) -> Installation {
        let (dir, homes) = (tempfile::tempdir().unwrap(), [Home::new(kind), Home::new(kind)]);
        let keys_dir = |book: &str| dir.path().join(format!("keys-{book}"));
        let text = format!(
            "[keys]\ndir = {:?}\n[database]\nurl = {:?}\n[bank]\nname = \"North Bank\"\n[book.savings.database]\nurl = {:?}\n\
             [book.savings.keys]\ndir = {:?}\n[book.savings.bank]\nname = \"South Bank\"\n",
            keys_dir("main"),
            homes[0].url(),
            homes[1].url(),
            keys_dir("savings")
        );
        let file = dir.path().join("books.toml");
        std::fs::write(&file, text).unwrap();
        let keys = BOOKS.map(|book| {
            let config = Config::load_book(Some(&file), None, book).unwrap();
            let db = Db::open(&config.database.url, 2).unwrap();
            let app = App::start(config, db, Clock::system()).unwrap();
            users::add(&app.log(), &app.clock, &format!("ada@{book}.example"), Role::Officer, PASSWORD).unwrap();
            let (_, key) = keys::issue(&app.log(), &app.clock, "core", Scopes::ALL).unwrap();
            app.stop();
            key
        });
        Installation { dir, homes, keys }
    }

    fn program(&self) -> Program {
        Program::new(self.dir.path()).args(["--config", "books.toml"])
    }

    fn folder(&self) -> &Path {
        self.dir.path()
    }
}

fn http() -> Client {
    let builder = Client::builder().timeout(Duration::from_secs(30));
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn send(server: &Server, root: &str, key: &str, reference: &str, balance: i64) -> Response {
    let body = entry(reference, "1", "2026-03-02T10:00:00Z", balance, balance + 5);
    http().post(format!("{}{root}/api/v1/entries", server.url())).bearer_auth(key).json(&body).send().unwrap()
}

fn get(server: &Server, path: &str, cookie: &str) -> (u16, String, String) {
    let answer = http().get(format!("{}{path}", server.url())).header("Cookie", cookie).send().unwrap();
    let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), to, answer.text().unwrap())
}

/// The session's cookie, name and all.
fn sign_in(server: &Server, root: &str, email: &str) -> String {
    let form = [("email", email), ("password", PASSWORD), ("next", "/alerts")];
    let answer =
        http().post(format!("{}{root}/sign-in", server.url())).header("Origin", server.url()).form(&form).send().unwrap();
    assert_eq!(answer.status(), 303, "{email} at {root}");
    assert_eq!(answer.headers()["location"], format!("{root}/alerts"));
    let mut cookies = answer.headers().get_all("set-cookie").iter().map(|c| c.to_str().unwrap());
    cookies.find(|c| c.starts_with("cf_session")).unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn books_behind_one_listener_have_a_log_a_way_in_and_officers_each() {
    on_both(|kind| {
        let two = Installation::new(kind);
        let server = two.program().spawn_serve();
        let [north, south] = &two.keys;
        // One reference and one account in either book: neither knows of the other.
        assert_eq!(send(&server, "", north, "A", 0).status(), 201);
        assert_eq!(send(&server, "/b/savings", south, "A", 700).status(), 201);
        assert_eq!(send(&server, "/b/main", north, "A", 0).status(), 200, "the same book under its name");
        assert_eq!(send(&server, "/b/savings", north, "B", 0).status(), 401, "a key opens one book");
        assert_eq!(send(&server, "/b/none", north, "B", 0).status(), 404);
        let balance = |root: &str, key: &str| -> Value {
            let path = format!("{}{root}/api/v1/accounts/1", server.url());
            http().get(path).bearer_auth(key).send().unwrap().json().unwrap()
        };
        assert_ne!(balance("", north)["balance"], balance("/b/savings", south)["balance"], "{kind:?}");

        // Pages, redirects and cookies stay inside their book.
        let (status, to, _) = get(&server, "/b/savings/alerts?state=open", "");
        assert_eq!((status, to.as_str()), (303, "/b/savings/sign-in?next=/alerts%3Fstate%3Dopen"));
        assert_eq!(get(&server, "/b/savings", "").1, "/b/savings/");
        let ada = sign_in(&server, "/b/savings", "ada@savings.example");
        assert!(ada.starts_with("cf_session_savings="), "{ada}");
        let (status, _, page) = get(&server, "/b/savings/accounts", &ada);
        assert!(status == 200 && page.contains("South Bank") && page.contains("href=\"/b/savings/alerts\""), "{page}");
        assert!(page.contains("action=\"/b/savings/sign-out\"") && page.contains("href=\"/b/main/\""), "{page}");
        let own = page.replace("=\"/b/", "");
        assert!(!own.contains("href=\"/") && !own.contains("action=\"/") && !own.contains("src=\"/"), "{own}");
        assert_eq!(get(&server, "/accounts", &ada).0, 303, "signed in to one book is a stranger in the other");
        let both = format!("{ada}; {}", sign_in(&server, "", "ada@main.example"));
        for (path, bank) in [("/accounts", "North Bank"), ("/b/savings/accounts", "South Bank")] {
            let (status, _, page) = get(&server, path, &both);
            assert!(status == 200 && page.contains(bank), "{path}: {page}");
        }
        let wrong = [("email", "ada@main.example"), ("password", PASSWORD), ("next", "/")];
        let url = format!("{}/b/savings/sign-in", server.url());
        let stranger = http().post(url).header("Origin", server.url()).form(&wrong).send().unwrap();
        assert_eq!(stranger.status(), 422, "an officer of one book is nobody in the other");

        // A report's addresses lead into its own book, previewed and frozen.
        assert_eq!(send(&server, "/b/savings", south, "C", 9_000).status(), 201, "not where the one before ended");
        let report = |version: &str| {
            let path = format!("{}/b/savings/api/v1/reports/2026-03-02.html{version}", server.url());
            http().get(path).bearer_auth(south).send().unwrap().text().unwrap()
        };
        let inside = |html: &str| html.contains("href=\"/b/savings/entries/") && !html.contains("href=\"/entries/");
        assert!(inside(&report("?version=0")), "{}", report("?version=0"));
        two.program().args(["nightly", "--date", "2026-03-02", "--book", "savings"]).run().succeeded();
        assert!(inside(&report("?version=1")), "{kind:?}: {}", report("?version=1"));

        // Each log verifies by itself, beside the server, and has a name of its own.
        let origins = BOOKS.map(|book| {
            let command = |args: &[&str]| two.program().args(args).args(["--book", book]).run().succeeded();
            command(&["verify"]);
            command(&["log", "key"]).stdout
        });
        assert!(origins[0].starts_with("counterfoil/main/") && origins[1].starts_with("counterfoil/savings/"), "{origins:?}");
        let unknown = two.program().args(["verify", "--book", "credit"]).run().failed_with(2);
        assert!(unknown.stderr.contains("besides `main` it names savings"), "{}", unknown.stderr);
        let ready = get(&server, "/b/savings/readyz", "");
        assert_eq!(ready.0, 200, "{}", ready.2);
    });
}

#[test]
fn books_that_would_share_a_database_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[database]\nurl = \"sqlite:bank.db\"\n[book.b.database]\nurl = \"sqlite:bank.db\"\n";
    std::fs::write(dir.path().join("c.toml"), text).unwrap();
    let refused = Program::new(dir.path()).args(["serve", "--config", "c.toml"]).run().failed_with(2);
    assert!(refused.stderr.contains("books `main` and `b` have the same database.url"), "{}", refused.stderr);
    assert!(!dir.path().join("bank.db").exists(), "nothing was made");
}

/// Who leads which book at this instance.
fn roles(server: &Server) -> [String; 2] {
    ["/b/main", "/b/savings"].map(|root| {
        let health: Value = http().get(format!("{}{root}/healthz", server.url())).send().unwrap().json().unwrap();
        health["role"].as_str().unwrap_or_default().to_owned()
    })
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(40), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn until_roles(server: &Server, wanted: [&str; 2]) {
    let began = Instant::now();
    while roles(server) != wanted {
        assert!(began.elapsed() < Duration::from_secs(40), "{:?} instead of {wanted:?}\n{}", roles(server), server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn of_two_instances_each_leads_one_book_and_takes_over_the_other() {
    on_both(|kind| {
        let two = Installation::new(kind);
        // Each leaves the other's book to the other for three seconds.
        let first = two.program().env("COUNTERFOIL_BOOK__SAVINGS__DATABASE__LEAD_AFTER_SECONDS", "3");
        let second = two
            .program()
            .env("COUNTERFOIL_DATABASE__LEAD_AFTER_SECONDS", "3")
            .env("COUNTERFOIL_BOOK__SAVINGS__DATABASE__LEAD_AFTER_SECONDS", "0");
        let starting = std::thread::spawn(move || second.spawn_serve());
        let mut first = first.spawn_serve();
        let second = starting.join().unwrap();
        until_roles(&first, ["leader", "stand_by"]);
        until_roles(&second, ["stand_by", "leader"]);
        let [north, south] = &two.keys;
        assert_eq!(send(&first, "", north, "A", 0).status(), 201);
        assert_eq!(send(&second, "/b/savings", south, "A", 0).status(), 201);
        let elsewhere = until("the stand-by knows its leader", || {
            let elsewhere = send(&second, "", north, "B", 0);
            assert_eq!(elsewhere.status(), 503);
            Some(elsewhere.json::<Value>().unwrap()).filter(|problem| !problem["leader"].is_null())
        });
        assert_eq!(elsewhere["leader"], json!(first.url()), "{kind:?}");

        first.kill9();
        until_roles(&second, ["leader", "leader"]);
        assert_eq!(send(&second, "", north, "A", 0).status(), 200, "what was acknowledged is there");
        assert_eq!(send(&second, "", north, "B", 5).status(), 201);
        for book in BOOKS {
            two.program().args(["verify", "--book", book]).run().succeeded();
        }
        assert!(two.homes.iter().all(|home| !home.url().is_empty()) && two.folder().exists());
    });
}

#[test]
fn an_officer_walks_from_one_book_to_the_other_in_a_browser() {
    let two = Installation::new(Kind::Sqlite);
    let server = two.program().spawn_serve();
    let browser = Browser::start();
    for (root, book) in [("", "main"), ("/b/savings", "savings")] {
        browser.goto(&format!("{}{root}/alerts", server.url()));
        browser.fill("#email", &format!("ada@{book}.example"));
        browser.fill("#password", PASSWORD);
        browser.click("form button.main");
        // The way in takes its time on a machine that does much else.
        let inside = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            browser.url().ends_with(&format!("{root}/alerts"))
        });
        assert!(inside, "{}", browser.url());
    }
    browser.click(".nav a[data-go=Reports]");
    assert!(browser.url().ends_with("/b/savings/reports"), "{}", browser.url());
    assert!(browser.text(".brand b").contains("South Bank"));
    let shots = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&shots).unwrap();
    browser.screenshot(&shots.join("books.png"));
    browser.click(".foot a[href='/b/main/']");
    assert!(browser.text(".brand b").contains("North Bank"));
}
