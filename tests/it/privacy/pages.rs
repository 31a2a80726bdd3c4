//! Erasing and holding from the page of an account.

use counterfoil::access::{Role, users};
use counterfoil::alerts::{Disposition, close};
use counterfoil::db::Conn;
use reqwest::Method;
use serde_json::json;

use super::house::{ACCOUNT, fill, lines};
use crate::bank::on_both;
use crate::site::{Answer, SignedIn, Site};

const WHY: &str = "Asked for by letter of the first of March, canary-letter-9.";

fn account(site: &Site) -> String {
    let mut conn: Conn = site.bank.db.connect().unwrap();
    lines(&mut conn, &format!("SELECT CAST(id AS TEXT) AS line FROM accounts WHERE number = '{ACCOUNT}'")).remove(0)
}

fn send(site: &Site, who: &SignedIn, path: &str, reason: &str) -> Answer {
    let form = [("csrf", who.csrf.as_str()), ("reason", reason)];
    Answer::of(site.plain(Method::POST, path).header("cookie", &who.cookie).form(&form).send().unwrap())
}

fn page(site: &Site, who: &SignedIn, path: &str) -> String {
    Answer::of(site.plain(Method::GET, path).header("cookie", &who.cookie).send().unwrap()).text
}

#[test]
fn an_erasure_and_a_hold_begin_on_the_page_of_their_account() {
    on_both(|kind| {
        let site = Site::with(kind, |config| config.privacy.statutory_years = 0);
        fill(&site.bank);
        let id = account(&site);
        let (officer, analyst) = (site.sign_in(Role::Officer), site.sign_in(Role::Analyst));
        let show = format!("/accounts/{id}");
        assert!(!page(&site, &analyst, &show).contains("Propose the erasure"), "who only reads has no form");
        assert!(page(&site, &officer, &show).contains("Propose the erasure"));
        assert_eq!(send(&site, &analyst, &format!("{show}/erasure"), WHY).status, 403);
        // A reason that is too short comes back beside its field, as typed.
        let short = send(&site, &officer, &format!("{show}/hold"), "too short");
        assert_eq!(short.status, 422, "{short:?}");
        assert!(short.text.contains("hold-reason-error") && short.text.contains("too short</textarea>"), "{}", short.text);
        // Under a hold, the one neutral answer.
        let placed = send(&site, &officer, &format!("{show}/hold"), WHY);
        assert_eq!((placed.status, placed.header("location")), (303, show.as_str()), "{placed:?}");
        assert!(page(&site, &officer, &show).contains("is in force"));
        let refused = send(&site, &officer, &format!("{show}/erasure"), WHY);
        assert_eq!(refused.status, 409, "{refused:?}");
        assert!(!refused.text.contains("hold"), "nobody learns what keeps it");
        let proposed = send(&site, &officer, &format!("{show}/hold/release"), WHY);
        let proposal = proposed.header("location").to_owned();
        assert!(proposed.status == 303 && proposal.starts_with("/approvals/"), "{proposed:?}");
        assert!(page(&site, &officer, &proposal).contains("Release a legal hold"));
        let acts = site.events("act.attempted");
        let acts: Vec<&str> = acts.iter().filter_map(|act| act["act"].as_str()).collect();
        assert_eq!(acts, ["hold.place", "hold.place", "subject.erase", "hold.release"]);
        let public = json!([site.events("act.attempted"), site.events("act.ended"), site.events("hold.placed")]).to_string();
        assert!(!public.contains("canary") && !public.contains(ACCOUNT), "{public}");
        assert_eq!(site.bank.findings(), [], "{kind:?}");
    });
}

#[test]
fn an_erasure_that_nothing_keeps_is_proposed_for_another_officer() {
    on_both(|kind| {
        let site = Site::with(kind, |config| config.privacy.statutory_years = 0);
        fill(&site.bank);
        let (officer, id) = (site.sign_in(Role::Officer), account(&site));
        let user = site.app.db.read(users::list).unwrap().remove(0).id;
        let mut conn = site.bank.db.connect().unwrap();
        for open in lines(&mut conn, "SELECT reference AS line FROM alerts WHERE state = 1") {
            close(&site.app.log(), &open, Disposition::ExplainedWithEvidence, WHY, None, user).unwrap();
        }
        let sent = send(&site, &officer, &format!("/accounts/{id}/erasure"), WHY);
        assert_eq!(sent.status, 303, "{sent:?}");
        let proposal = page(&site, &officer, sent.header("location"));
        assert!(proposal.contains("Erase what is stored of a person"), "{proposal}");
        assert!(page(&site, &officer, "/approvals").contains("Erase what is stored of a person"));
    });
}
