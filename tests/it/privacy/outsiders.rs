//! An outsider after an erasure: every proof stays valid, and what is gone is counted.

use counterfoil::privacy::Scope;
use counterfoil_verify::check::{Report, Scope as Whole, check, open_notes};
use counterfoil_verify::files::Export;
use counterfoil_verify::{Policy, VerifierKey};

use super::house::{ACCOUNT, CANARIES, erased, fill};
use crate::bank::{Kind, on_both};
use crate::site::{Answer, Site};
use crate::verifier::Desk;
use crate::verifier::exported::Exported;

fn report(exported: &Exported, key: &VerifierKey) -> Report {
    let (mut report, mut source) = (Report::default(), Export::new(exported.clone()));
    let Ok(newest) = source.checkpoint();
    let opened = open_notes(&Policy::of_keys(vec![key.clone()]), None, &newest.unwrap(), &[], &mut report).unwrap();
    let whole = Whole { newest: &opened.newest.checkpoint, remembered: &opened.remembered, loss_known: false };
    let Ok(()) = check(&mut source, whole, &mut report, |_| ());
    report
}

#[test]
fn an_export_after_an_erasure_is_whole_and_counts_what_is_gone() {
    on_both(|kind| {
        let site = Site::with(kind, |config| config.limits.segment_entries = 1_024);
        fill(&site.bank);
        site.app.sign();
        let key = site.app.signer.verifier();
        let before = Exported::of(&site, true);
        let early = Answer::of(site.http.get(site.url("/log/checkpoint")).send().unwrap()).text;
        assert_eq!(report(&before, &key).unopened, 0);
        let gone = erased(&site.bank, Scope::Account, ACCOUNT);
        site.app.sign();
        let after = Exported::of(&site, true);
        assert_eq!(after.findings(&key, &[&early]), [""; 0], "{kind:?}: the earlier checkpoint still holds");
        let said = report(&after, &key);
        assert_eq!((said.unopened, said.findings.len()), (gone.places.places().unsigned_abs(), 0), "{kind:?}");
        let text: String = after.0.values().map(|file| String::from_utf8_lossy(file).into_owned()).collect();
        for canary in CANARIES {
            assert!(!text.contains(canary), "{canary} is in the export");
        }
        // What was printed before the erasure stays provable: its salt and parts open the leaf of today.
        let mut kept = after.clone();
        kept.0.extend(before.0.iter().filter(|(path, _)| path.starts_with("private/")).map(|(p, c)| (p.clone(), c.clone())));
        assert_eq!(kept.findings(&key, &[]), [""; 0], "{kind:?}");
    });
}

#[test]
fn the_page_in_a_browser_verifies_an_export_after_an_erasure() {
    let site = Site::with(Kind::Sqlite, |config| config.limits.segment_entries = 1_024);
    fill(&site.bank);
    site.app.sign();
    let early = Answer::of(site.http.get(site.url("/log/checkpoint")).send().unwrap()).text;
    let gone = erased(&site.bank, Scope::Account, ACCOUNT);
    site.app.sign();
    let (desk, after) = (Desk::new(), Exported::of(&site, true));
    let files = [desk.put("after.cfx", after.bundle()), desk.put("kept.txt", early)];
    let text = desk.accepts(&site.app.signer.verifier().to_string(), "#files", &files);
    assert!(text.contains(&gone.places.places().to_string()), "it counts what is gone: {text}");
}
