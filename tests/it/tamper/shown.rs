//! A stored report that was changed is not shown, on any way it leaves by.

use counterfoil::access::Role;
use counterfoil::db::Db;
use counterfoil::reports::{self, Context};
use reqwest::Method;
use reqwest::header::COOKIE;

use super::edits::behind_the_triggers;
use crate::bank::{entry, on_both};
use crate::site::{Answer, Site};

#[test]
fn a_stored_report_that_was_changed_is_refused_by_its_version() {
    on_both(|kind| {
        let site = Site::open(kind);
        site.bank.record(entry("V1", "ACC-1", "2026-03-01T10:00:00Z", 0, 20_000));
        let date = "2026-03-01".parse().unwrap();
        let context = Context::new(&site.app.config, site.app.clock.clone());
        reports::make(&site.app.log(), &site.app.db, &context, date, &reports::page::frozen).unwrap();
        let who = site.sign_in(Role::Officer);
        let page = |path: &str| Answer::of(site.plain(Method::GET, path).header(COOKIE, who.cookie.clone()).send().unwrap());
        let ways = ["json", "html", "csv", "txt"].map(|extension| format!("/api/v1/reports/2026-03-01.{extension}"));
        assert_eq!(page("/reports/2026-03-01").status, 200);
        ways.iter().for_each(|way| assert_eq!(site.get(way).status, 200, "{way}"));
        let mut conn = Db::open(&site.bank.home.owner_url(), 1).unwrap().connect().unwrap();
        for (edit, back) in [
            ("html = replace(html, '20,000', '20,001')", "html = replace(html, '20,001', '20,000')"),
            ("body = replace(body, '20000', '20001')", "body = replace(body, '20001', '20000')"),
            ("version = 2", "version = 1"),
        ] {
            behind_the_triggers(&mut conn, "reports", &format!("UPDATE reports SET {edit}")).unwrap();
            let version = if edit == "version = 2" { "version 2" } else { "version 1" };
            let shown = page("/reports/2026-03-01");
            assert_eq!(shown.status, 409, "{kind:?}: {edit}: {}", shown.text);
            assert!(
                shown.text.contains("Not shown") && shown.text.contains(version) && shown.text.contains("counterfoil verify"),
                "{}",
                shown.text
            );
            for way in &ways {
                let problem = site.get(way).problem(409, "altered");
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains(version) && detail.contains("counterfoil verify"), "{detail}");
            }
            behind_the_triggers(&mut conn, "reports", &format!("UPDATE reports SET {back}")).unwrap();
            assert_eq!(page("/reports/2026-03-01").status, 200, "{kind:?}: {back}");
        }
        behind_the_triggers(&mut conn, "reports", "UPDATE reports SET body = replace(body, '20000', '20001')").unwrap();
        assert!(page("/reports").text.contains("Not as it was stored"), "the list does not show its figures either");
    });
}
