//! Checkpoints: a real one with its witnesses, the right log, and what must not pass.

use counterfoil_verify::checkpoint::{Checkpoint, CheckpointError, MAX_EXTENSIONS, Origin, Signed};
use counterfoil_verify::key::{SignerKey, VerifierKey};
use counterfoil_verify::note::{Note, NoteError};
use counterfoil_verify::tree::empty_root;

/// A checkpoint that a public log and witnesses signed in May 2026.
const REAL: &str = "arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
";
const REAL_LOG: &str = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
const REAL_WITNESSES: [&str; 4] = [
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
];

const LOG: &str = "bank.example/trail/prod";

pub fn log_key(seed: u8) -> SignerKey {
    SignerKey::from_seed(LOG, [seed; 32]).unwrap()
}

fn open(note: &Note, trusted: &[VerifierKey]) -> Result<Signed, CheckpointError> {
    Checkpoint::open(note, trusted, Origin::OfKey)
}

#[test]
fn a_real_checkpoint_opens_with_its_witnesses() {
    let note = Note::parse(REAL).unwrap();
    assert_eq!(note.to_string(), REAL);
    let trusted: Vec<VerifierKey> = [REAL_LOG].iter().chain(&REAL_WITNESSES).map(|k| k.parse().unwrap()).collect();
    let signed = open(&note, &trusted).unwrap();
    assert_eq!(signed.checkpoint.size, 1_432_088_532);
    assert_eq!(signed.log_keys, [trusted[0].clone()]);
    let times: Vec<_> = signed.witnesses.iter().map(|w| w.time).collect();
    assert_eq!(times, [Some(1_779_573_024); 4]);
    // The time is signed too.
    let later = Note::parse(REAL.replace("2net5wAAAABqEiEg", "2net5wAAAABqEiEh")).unwrap();
    let forged = CheckpointError::Note(NoteError::Forged { key: "remora.n621.de".into() });
    assert_eq!(open(&later, &trusted), Err(forged));
    assert!(open(&later, &trusted[..1]).is_ok(), "a witness not asked about");
}

#[test]
fn witnesses_alone_are_not_the_log() {
    let note = Note::parse(REAL).unwrap();
    let witness: VerifierKey = REAL_WITNESSES[0].parse().unwrap();
    assert_eq!(open(&note, &[witness]), Err(CheckpointError::NotByLog));
    assert!(matches!(open(&note, &[]), Err(CheckpointError::Note(NoteError::Untrusted { .. }))));
}

#[test]
fn a_checkpoint_is_of_the_log_it_should_be_of() {
    let secret = log_key(1);
    let keys = [secret.verifier()];
    let own = Checkpoint::new(LOG, 5, [9; 32]);
    let note = own.sign(&[&secret]).unwrap();
    assert_eq!(open(&note, &keys).unwrap().checkpoint, own);
    let other = Checkpoint::new("bank.example/trail/prod/g2", 5, [9; 32]).sign(&[&secret]).unwrap();
    let refused = |expected: &str, found: &str| Err(CheckpointError::OtherLog { expected: expected.into(), found: found.into() });
    assert_eq!(open(&other, &keys), refused(LOG, "bank.example/trail/prod/g2"));
    assert!(Checkpoint::open(&other, &keys, Origin::Is("bank.example/trail/prod/g2")).is_ok());
    let is = Checkpoint::open(&note, &keys, Origin::Is("bank.example/trail/prod/g2"));
    assert_eq!(is, refused("bank.example/trail/prod/g2", LOG));
}

#[test]
fn two_keys_sign_while_one_follows_the_other() {
    let (old, new) = (log_key(1), log_key(2));
    let note = Checkpoint::new(LOG, 5, [9; 32]).sign(&[&old, &new]).unwrap();
    for keys in [vec![old.verifier()], vec![new.verifier()], vec![old.verifier(), new.verifier()]] {
        assert_eq!(open(&note, &keys).unwrap().log_keys, keys);
    }
    assert!(open(&note, &[log_key(3).verifier()]).is_err());
}

#[test]
fn a_cosignature_is_of_the_checkpoint_and_the_time() {
    let (log, witness) = (log_key(1), SignerKey::witness_from_seed("witness.example/w1", [7; 32]).unwrap());
    let mut note = Checkpoint::new(LOG, 5, [9; 32]).sign(&[&log]).unwrap();
    note.cosign(&witness, 1_679_315_147).unwrap();
    let keys = [log.verifier(), witness.verifier()];
    let read = Note::parse(note.to_string()).unwrap();
    assert_eq!(open(&read, &keys).unwrap().witnesses[0].time, Some(1_679_315_147));
    note.cosign(&witness, 1 << 63).unwrap();
    assert!(open(&note, &keys).is_err(), "a time beyond the specification's");
}

#[test]
fn the_form_is_strict() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    let good = format!("example.com/behind-the-sofa\n20852163\n{root}\n");
    let checkpoint = Checkpoint::parse(&good).unwrap();
    assert_eq!((checkpoint.to_string(), checkpoint.size), (good.clone(), 20_852_163));
    let extended = format!("{good}one\ntwo\n");
    assert_eq!(Checkpoint::parse(&extended).unwrap().to_string(), extended);
    let bad = [
        String::new(),
        "a\n1\n".into(),
        good.trim_end().into(),
        format!("\n1\n{root}\n"),
        format!("a\n\n{root}\n"),
        format!("a\n01\n{root}\n"),
        format!("a\n+1\n{root}\n"),
        format!("a\n-1\n{root}\n"),
        format!("a\n 1\n{root}\n"),
        format!("a\n18446744073709551616\n{root}\n"),
        format!("a\n1\n{}\n", &root[..43]),
        format!("a\n1\n{root}=\n"),
        "a\n1\nAAAA\n".into(),
        format!("a\n1\n{root}\n\nx\n"),
        format!("a\n1\n{root}\n{}", "x\n".repeat(MAX_EXTENSIONS + 1)),
        format!("a\n0\n{root}\n"),
    ];
    for text in bad {
        assert!(matches!(Checkpoint::parse(&text), Err(CheckpointError::Form(_))), "{text:?}");
    }
    let empty = Checkpoint::new("a", 0, empty_root());
    assert_eq!(Checkpoint::parse(&empty.to_string()), Ok(empty));
}
