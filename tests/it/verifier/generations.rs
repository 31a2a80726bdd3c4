//! The page in a browser: a key that was changed, and a log that went on after a loss.

use counterfoil::app::carry_out_due;
use counterfoil_verify::{Note, Rotation, SignerKey};

use super::exported::Exported;
use super::{Desk, bank, checkpoint, secret};
use crate::bank::{Bank, Kind, entry};
use crate::keys::{approved, folder};
use crate::recovery::{Stopped, opened};

#[test]
fn the_page_follows_a_change_of_the_key_from_either_side() {
    let (site, desk) = (bank(Kind::Sqlite), Desk::new());
    let (old, stolen, early) = (site.app.signer.verifier(), secret(&site), checkpoint(&site));
    let (new, _) = approved(&site.bank, &old);
    carry_out_due(&site.app).unwrap();
    site.bank.record(entry("AFTER", "A-9", "2026-03-02T11:00:00Z", 0, 100));
    site.app.sign();
    let exported = Exported::of(&site, true);
    let change = exported.0.keys().find(|path| path.starts_with("rotations/")).unwrap().clone();
    let kept = desk.put("kept.txt", &early);
    let good = desk.put("good.cfx", exported.bundle());
    for pinned in [&old, &new] {
        let text = desk.accepts(&pinned.to_string(), "#files", &[good.clone(), kept.clone()]);
        assert!(text.contains("which both signed"), "{text}");
    }
    let mut without = exported.clone();
    without.0.remove(&change);
    without.0.retain(|path, _| !path.starts_with("checkpoints/"));
    desk.refuses(&old.to_string(), &[desk.put("without.cfx", without.bundle())], "no key you gave has signed it");
    desk.refuses(&format!("{old}\n{new}"), &[desk.put("silent.cfx", without.bundle())], "key_discontinuity");
    let statement = Rotation::open(&Note::parse(&exported.0[&change]).unwrap()).unwrap().to_string();
    let mut one_sided = exported.clone();
    let fresh = folder(&site.bank).key(old.name()).unwrap().unwrap();
    one_sided.0.insert(change.clone(), Note::sign(&statement, &[&fresh]).unwrap().to_string().into_bytes());
    desk.refuses(&new.to_string(), &[desk.put("one-sided.cfx", one_sided.bundle())], "rotation_untrusted");
    // The old secret, stolen after it was put away.
    let mut misused = exported.clone().resealed(&stolen);
    misused.0.insert(change, exported.0.iter().find(|(path, _)| path.starts_with("rotations/")).unwrap().1.clone());
    assert!(misused.findings(&old, &[]).contains(&"key_retired"));
    desk.refuses(&old.to_string(), &[desk.put("misused.cfx", misused.bundle())], "key_retired");
}

#[test]
fn the_page_verifies_a_log_that_went_on_after_a_loss() {
    let (old, desk) = (Stopped::new(Kind::Sqlite), Desk::new());
    let lost = desk.put("lost.txt", old.lose(5));
    old.recover(old.officers).unwrap();
    let app = opened(&old.bank).unwrap();
    let bank = Bank::attached(&app, &old.bank);
    bank.record(entry("E2", "A-1", "2026-03-02T11:00:00Z", 100, 300));
    app.sign();
    let (new, pair) = (app.signer.verifier().to_string(), format!("{}\n{}", app.signer.verifier(), old.key.verifier()));
    let mut exported = Exported::default();
    counterfoil::export::log(&app.db, false, 0, &mut exported).unwrap();
    let good = desk.put("good.cfx", exported.bundle());
    desk.accepts(&new, "#files", std::slice::from_ref(&good));
    desk.refuses(&pair, &[good.clone(), lost], "were lost, as the recovery in leaf");
    desk.shoot("verifier-recovered");
    desk.refuses(&old.key.verifier().to_string(), std::slice::from_ref(&good), "no key you gave has signed it");
    let beyond = old.lose(6);
    desk.refuses(&pair, &[good, desk.put("beyond.txt", beyond)], "no recovery says that so many were lost");
    let thief = SignerKey::from_seed(&new.split('+').next().unwrap().replace("/g2", "/g3"), [3; 32]).unwrap();
    let posing = exported.resealed(&thief);
    desk.refuses(&thief.verifier().to_string(), &[desk.put("posing.cfx", posing.bundle())], "origin_differs");
    app.stop();
}
