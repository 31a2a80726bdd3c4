//! What these stories share.

use counterfoil::access::{Role, users};
use counterfoil::app::{App, Inbox};
use counterfoil::approvals::{self, Deciding, Decision, State};
use counterfoil::audit::{ReplayOptions, replay};
use counterfoil::db::Db;
use counterfoil::ids::Seq;
use counterfoil::trail::ActError;
use reqwest::Method;
use serde_json::json;

use crate::bank::{Home, Kind};
use crate::site::{Answer, PASSWORD, SignedIn, Site};
use crate::support::program::{Output, Program};

pub const WHY: &str = "The branch booked it twice, as its slip of the second of March shows.";

/// A further officer.
pub fn officer(site: &Site, name: &str) -> Seq {
    users::add(&site.app.log(), &site.app.clock, &format!("{name}@bank.example"), Role::Officer, PASSWORD).unwrap()
}

pub fn decide(site: &Site, id: Seq, user: Seq, decision: Decision) -> Result<Seq, ActError> {
    let comment = "I have read what it would change.".to_owned();
    approvals::decide(&site.app.log(), Deciding { id, decision, comment, user, whence: json!({}) })
}

pub fn approve(site: &Site, id: Seq, user: Seq) {
    decide(site, id, user, Decision::Approve).unwrap();
}

pub fn state(site: &Site, id: Seq) -> State {
    site.app.db.read(|conn| approvals::find(conn, id)).unwrap().unwrap().state
}

/// Why a proposal ended.
pub fn ending(site: &Site, id: Seq) -> String {
    let proposal = site.app.db.read(|conn| approvals::find(conn, id)).unwrap().unwrap();
    proposal.end.and_then(|end| end.comment).unwrap_or_default()
}

pub fn send(site: &Site, who: &SignedIn, path: &str, form: &[(&str, &str)]) -> Answer {
    let mut form = form.to_vec();
    form.push(("csrf", who.csrf.as_str()));
    Answer::of(site.plain(Method::POST, path).header("cookie", &who.cookie).form(&form).send().unwrap())
}

pub fn page(site: &Site, who: &SignedIn, path: &str) -> Answer {
    Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap())
}

/// The number at the end of where an answer leads.
#[track_caller]
pub fn proposal_of(answer: &Answer) -> Seq {
    assert_eq!(answer.status, 303, "{answer:#?}");
    answer.header("location").strip_prefix("/approvals/").unwrap().parse().unwrap()
}

/// Nothing differs in a replay of everything.
#[track_caller]
pub fn replays(site: &Site) {
    let into = Home::new(Kind::Sqlite);
    let (live, into) = (Db::open(&site.bank.home.url(), 1).unwrap(), Db::open(&into.owner_url(), 1).unwrap());
    let options = ReplayOptions { config: &site.bank.config, batch: 7, progress: &|_, _| {} };
    let outcome = replay(&live, &into, None, &options).unwrap();
    assert_eq!(outcome.differences, []);
}

/// The shell beside a site: its commands find the log held, and hand their work over.
pub struct Shell<'a> {
    folder: tempfile::TempDir,
    site: &'a Site,
    _inbox: Inbox,
}

impl<'a> Shell<'a> {
    pub fn beside(site: &'a Site) -> Shell<'a> {
        let app: App = site.app.clone();
        Shell { folder: tempfile::tempdir().unwrap(), site, _inbox: Inbox::open(app).unwrap() }
    }

    pub fn run(&self, args: &[&str]) -> Output {
        let keys = self.site.bank.config.keys.dir.clone();
        let program = Program::new(self.folder.path()).args(args).args(["--database", &self.site.bank.home.url()]);
        program.env("COUNTERFOIL_KEYS__DIR", keys).input(PASSWORD).run()
    }
}
