//! The specimens that `counterfoil-verify` is held against, handed to the page: both must say the same of each.

#[path = "../../../crates/verify/tests/it/handed.rs"]
mod handed;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use counterfoil::trail::NewEvent;
use counterfoil_verify::heads::KIND;
use counterfoil_verify::heads_proof::{Claim, HeadsProof};
use counterfoil_verify::{Checkpoint, TlogProof};
use serde_json::{Value, json};

use super::exported::Exported;
use super::{Desk, bank, page, secret};
use crate::bank::Kind;
use crate::site::Site;

use handed::{Outcome, Pieces, Specimen, specimens};

/// As many as a browser is given time for.
const BATCH: usize = 200;

fn pieces(site: &Site) -> Pieces {
    let before = Exported::of(site, false);
    let heads = before.heads(before.checkpoint().size);
    let close = heads.close("2026-03-02", before.checkpoint().size).body();
    let event = site.app.log().append(NewEvent::public(KIND, close)).unwrap().unsigned_abs();
    site.app.sign();
    let log = Exported::of(site, false);
    let Checkpoint { origin, size, .. } = log.checkpoint();
    let fork = |root| Checkpoint::new(&origin, size, [root; 32]).sign(&[&secret(site)]).unwrap().to_string();
    let carrying = |seq, extra| TlogProof { extra: Some(extra), ..log.proof(seq) }.to_string();
    let accounts: Vec<i64> = heads.accounts().collect();
    let last = heads.prove_last(accounts[0]).unwrap();
    let (claim, heads) = (Claim::Last, vec![last]);
    let last = HeadsProof { claim, account: accounts[0], heads, event: log.leaf(event), proof: log.proof(event) };
    Pieces {
        checkpoint: super::checkpoint(site),
        forks: [8, 9].map(fork),
        leaves: [event - 1, event].map(|seq| carrying(seq, log.leaf(seq))),
        forged: carrying(event - 1, log.leaf(event)),
        appended: carrying(event - 1, [log.leaf(event - 1), vec![0, 0]].concat()),
        last: last.to_string(),
        lie: HeadsProof { account: accounts[1], ..last }.to_string(),
    }
}

/// The page's verdict on each, one after the other, as if somebody had dropped it.
fn verdicts(desk: &Desk, batch: &[Specimen]) -> Vec<String> {
    let files: Vec<Value> = batch.iter().map(|s| json!([s.name, STANDARD.encode(&s.content)])).collect();
    let script = "const [files, done] = arguments;
        (async () => {
          const said = [];
          for (const [name, content] of files) {
            begin();
            await take([{ path: name, file: new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name) }]);
            await verify();
            said.push($('verdict').dataset.verdict);
          }
          done(said);
        })();";
    desk.browser.run(async |driver| driver.execute_async(script, vec![Value::from(files)]).await?.convert())
}

#[test]
fn the_page_says_of_every_specimen_what_the_program_says() {
    let (site, desk) = (bank(Kind::Sqlite), Desk::new());
    let all = specimens(&pieces(&site));
    desk.browser.goto(&format!("file://{}", page().display()));
    desk.browser.fill("#key", &site.app.signer.verifier().to_string());
    let mut wrong = Vec::new();
    for batch in all.chunks(BATCH) {
        for (specimen, said) in batch.iter().zip(verdicts(&desk, batch)) {
            let right = match specimen.outcome {
                Outcome::Verified => "good",
                Outcome::NotVerified => "bad",
                Outcome::Nothing => "none",
            };
            if said != right {
                wrong.push(format!("{}: {said}, not {right}", specimen.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}
