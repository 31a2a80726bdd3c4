//! Changes of the key for an outside verifier: what the log serves, and what a forger makes of it.

use counterfoil::app::carry_out_due;
use counterfoil_verify::rotation::{each, follow};
use counterfoil_verify::{Note, Policy, Rotation, SignerKey};
use reqwest::Method;

use super::exported::Exported;
use super::{bank, checkpoint};
use crate::bank::{entry, on_both};
use crate::keys::approved;
use crate::site::{Answer, Site};

fn served(site: &Site) -> String {
    let answer = Answer::of(site.plain(Method::GET, "/log/rotations").send().unwrap());
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; charset=utf-8"), "{answer:?}");
    answer.text
}

#[test]
fn whoever_holds_the_first_key_follows_what_is_served_to_the_one_in_force() {
    on_both(|kind| {
        let site = bank(kind);
        assert_eq!(served(&site), "", "the key was never changed");
        let first = site.app.signer.verifier();
        for n in 0..2 {
            approved(&site.bank, &site.app.signer.verifier());
            carry_out_due(&site.app).unwrap();
            site.bank.record(entry(&format!("R{n}"), "A-9", "2026-03-02T11:00:00Z", n, n + 1));
            site.app.sign();
        }
        let text = served(&site);
        let read = |one: &&str| Rotation::open(&Note::parse(one.as_bytes()).unwrap()).unwrap();
        let rotations: Vec<Rotation> = each(&text).iter().map(read).collect();
        assert_eq!(rotations.len(), 2, "{text}");
        assert!(rotations[0].size < rotations[1].size, "oldest first");
        let mut trusted = vec![first];
        assert_eq!(follow(&mut trusted, &rotations).len(), 2);
        assert_eq!(trusted.last(), Some(&site.app.signer.verifier()));
        assert_eq!(each(""), Vec::<&str>::new());
        assert_eq!(each("no change").len(), 1, "what is no change is not passed over");
    });
}

#[test]
fn a_forged_change_with_everything_recomputed_is_refused_by_whoever_holds_the_old_key() {
    on_both(|kind| {
        let site = bank(kind);
        let (old, early) = (site.app.signer.verifier(), checkpoint(&site));
        let whole = Exported::of(&site, true);
        let thief = SignerKey::from_seed(old.name(), [3; 32]).unwrap();
        let posing = SignerKey::from_seed(old.name(), [4; 32]).unwrap();
        let (size, root) = (whole.checkpoint().size, whole.checkpoint().root);
        // Whoever has the database, and not the old key, signs the whole log anew and says that the key was changed.
        let forged = |note: Note| {
            let mut forged = whole.clone().resealed(&thief);
            forged.0.insert(format!("rotations/{size}"), note.to_string().into_bytes());
            forged
        };
        let statement = Rotation { origin: old.name().into(), size, root, old: old.clone(), new: thief.verifier() };
        let one_sided = forged(Note::sign(&statement.to_string(), &[&thief]).unwrap());
        assert_eq!(one_sided.findings(&old, &[&early]), ["rotation_untrusted", "checkpoint_untrusted"], "{kind:?}");
        let between_own = forged(Rotation::sign(old.name(), size, root, &posing, &thief).unwrap());
        assert_eq!(between_own.findings(&old, &[&early]), ["checkpoint_untrusted"], "{kind:?}");
        // The new key alone on the caller's list is still no reason to believe that it followed.
        let keys = format!("log {old}\nlog {}\nquorum none\n", thief.verifier());
        let policy = |text: &str| Policy::parse(text).unwrap();
        assert_eq!(between_own.findings_by(policy(&keys), &[&early]), ["key_discontinuity"], "{kind:?}");
        // Only a caller who writes down that they know why accepts it.
        let known = format!("log {old}\nlog {0}\ndiscontinuity {0}\nquorum none\n", thief.verifier());
        assert_eq!(between_own.findings_by(policy(&known), &[&early]), Vec::<&str>::new(), "{kind:?}");
        assert!(!one_sided.findings_by(policy(&known), &[&early]).is_empty(), "a forged statement stays a finding");
    });
}
