//! What stands beside a single file, and what a mail made of it: the page looks at it, or refuses.

use counterfoil_verify::heads::KIND;
use counterfoil_verify::heads_proof::{Claim, HeadsProof};
use counterfoil_verify::tree::empty_root;
use counterfoil_verify::{Checkpoint, SignerKey};
use serde_json::{Value, json};

use counterfoil::trail::NewEvent;

use super::exported::Exported;
use super::{Desk, bank, checkpoint, secret};
use crate::bank::{Kind, entry};

#[test]
fn the_page_passes_over_nothing_beside_a_proof_whatever_a_mail_made_of_it() {
    let (site, desk) = (bank(Kind::Sqlite), Desk::new());
    let verifier = site.app.signer.verifier();
    let key = verifier.to_string();
    let receipt = site.post("/api/v1/entries", &entry("LAST", "A-9", "2026-03-02T11:00:00Z", 0, 100)).json();
    site.app.sign();
    let seq = receipt["seq"].as_u64().unwrap();
    let proof = site.get(&format!("/api/v1/log/proof/{seq}")).text;
    let paper = |name: &str, receipt: &Value| desk.put(name, receipt.to_string());
    let (good, mut other) = (paper("good.json", &receipt), receipt.clone());
    other["leaf"] = json!("ab".repeat(32));
    let bad = paper("bad.json", &other);
    let quoted: String = proof.lines().map(|line| format!("> {line}\r\n")).collect();
    for (name, text) in
        [("ends.txt", proof.replace('\n', "\r\n")), ("mail.txt", format!("Dear auditor,\r\n\r\n{quoted}\r\n--\r\n"))]
    {
        let text = desk.accepts(&key, "#files", &[desk.put(name, &text), good.clone()]);
        assert!(text.contains(&format!("Leaf {seq} is in this log")), "{text}");
        desk.refuses(&key, &[desk.folder.path().join(name).display().to_string(), bad.clone()], "was changed");
    }

    // Another history of the same size, kept by somebody; a checkpoint that nobody trusted signed.
    let proof = desk.put("entry.tlog-proof", proof);
    let size = Exported::of(&site, false).checkpoint().size;
    let of = |root, key: &SignerKey| Checkpoint::new(verifier.name(), size, [root; 32]).sign(&[key]).unwrap().to_string();
    let thief = SignerKey::from_seed(verifier.name(), [9; 32]).unwrap();
    let kept = |name: &str, text: &str| desk.put(name, text);
    let with = |beside: &str| [proof.clone(), good.clone(), beside.to_owned()];
    desk.accepts(&key, "#files", &with(&kept("same.txt", &checkpoint(&site))));
    desk.refuses(&key, &with(&kept("fork.txt", &of(9, &secret(&site)))), "checkpoint_differs");
    desk.refuses(&key, &with(&kept("thief.txt", &of(9, &thief))), "checkpoint_untrusted");

    // A key that nothing leads to, beside the one before it.
    let keys = format!("{key}\n{}", thief.verifier());
    let signed = Checkpoint::new(verifier.name(), 0, empty_root()).sign(&[&thief]).unwrap().to_string();
    desk.refuses(&keys, &[desk.put("next.txt", signed)], "key_discontinuity");

    desk.refuses(&key, &[kept("empty.heads-proof", &checkpoint(&site))], "it holds no proof");
    // What a checkpoint alone, or one of two, would leave unsaid.
    for (files, because) in [
        (vec![kept("alone.txt", &checkpoint(&site)), good.clone()], "a checkpoint alone says nothing about good.json"),
        (vec![proof.clone(), good.clone(), bad], "there is another of its kind"),
        (vec![proof, good, desk.put("export.cfx", Exported::of(&site, false).bundle())], "and another of them"),
    ] {
        let (word, text) = desk.verify(&key, "#files", &files);
        assert_eq!(word, "Nothing was verified", "{text}");
        assert!(text.contains(because), "{because}: {text}");
    }
}

#[test]
fn the_page_holds_receipt_and_report_against_a_proof_about_an_account() {
    let (site, desk) = (bank(Kind::Sqlite), Desk::new());
    let key = site.app.signer.verifier().to_string();
    let before = Exported::of(&site, false);
    let heads = before.heads(before.checkpoint().size);
    let close = heads.close("2026-03-02", before.checkpoint().size).body();
    let event = site.app.log().append(NewEvent::public(KIND, close)).unwrap().unsigned_abs();
    site.app.sign();
    let closed = Exported::of(&site, false);
    let account = heads.accounts().next().unwrap();
    let last = heads.prove_last(account).unwrap();
    let (claim, head) = (Claim::Last, last.head);
    let made = HeadsProof { claim, account, heads: vec![last], event: closed.leaf(event), proof: closed.proof(event) };
    let proof = desk.put("last.txt", made.to_string().replace('\n', "\r\n"));
    let receipt = |seq: i64| desk.put(&format!("{seq}.json"), json!({ "seq": seq, "leaf": hex::encode(head.leaf) }).to_string());
    let text = desk.accepts(&key, "#files", &[proof.clone(), receipt(head.seq)]);
    assert!(text.contains("The receipt's leaf is the last entry"), "{text}");
    desk.refuses(&key, &[proof.clone(), receipt(head.seq - 1)], "The receipt's leaf is the last entry");
    desk.refuses(&key, &[proof, desk.put("report.json", "{ }")], "The report is the one the event names");
}
