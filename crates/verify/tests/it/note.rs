//! Keys and notes: published examples, another reader's spelling, and what must not pass.

use counterfoil_verify::decode::decode;
use counterfoil_verify::heads::Close;
use counterfoil_verify::heads_proof::HeadsProof;
use counterfoil_verify::key::{Algorithm, KeyError, SignerKey, VerifierKey};
use counterfoil_verify::note::{MAX_BYTES, MAX_SIGNATURES, Note, NoteError};
use counterfoil_verify::text;
use counterfoil_verify::{Checkpoint, Found, Policy, TlogProof, export};
use proptest::prelude::*;

/// The example of the Go package golang.org/x/mod/sumdb/note.
const PETER_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const BY_PETER: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const BY_ENOCH: &str =
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

/// The example of the signed-note specification.
const FOO: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const FOO_NOTE: &str = "This is an example message.\n\n\
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// Another line of the specification's example: the poem has an empty line in its text.
const POEM: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
    — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

fn key(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

fn signer(name: &str, seed: u8) -> SignerKey {
    SignerKey::from_seed(name, [seed; 32]).unwrap()
}

#[test]
fn the_published_example_is_signed_byte_for_byte() {
    let secret: SignerKey = PETER_SECRET.parse().unwrap();
    assert_eq!(secret.secret(), PETER_SECRET);
    assert_eq!(secret.verifier().to_string(), PETER);
    assert_eq!(Note::sign(TEXT, &[&secret]).unwrap().to_string(), format!("{TEXT}\n{BY_PETER}"));
    assert!(!format!("{secret:?}").contains("AYEKFALVFGy"), "a secret in a log line");
}

#[test]
fn published_notes_open() {
    let both = format!("{TEXT}\n{BY_PETER}{BY_ENOCH}");
    let note = Note::parse(&both).unwrap();
    assert_eq!(note.to_string(), both);
    let names = |keys: &[VerifierKey]| {
        let verified = note.open(keys).unwrap();
        assert_eq!(verified.text, TEXT);
        verified.signers.into_iter().map(|s| s.key.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[key(PETER)]), ["PeterNeumann"]);
    assert_eq!(names(&[key(ENOCH), key(PETER)]), ["PeterNeumann", "EnochRoot"]);
    assert_eq!(Note::parse(FOO_NOTE).unwrap().open(&[key(FOO)]).unwrap().text, "This is an example message.\n");
    let poem = Note::parse(POEM).unwrap();
    assert!(poem.unverified_text().ends_with("sole:\n\ned è subito sera.\n"));
    assert_eq!(poem.to_string(), POEM);
}

/// As the Go package's own test: no part of a key is a key, and no byte may be another.
#[test]
fn no_mangled_key_is_read() {
    for text in [PETER, PETER_SECRET] {
        let reads = |t: &str| t.parse::<VerifierKey>().is_ok() || t.parse::<SignerKey>().is_ok();
        for from in 0..=text.len() {
            for to in from..=text.len() {
                assert!(text.len() == to - from || !reads(&text[from..to]), "{}", &text[from..to]);
            }
        }
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] += 1;
            let mangled = String::from_utf8(bytes).unwrap();
            assert!(!reads(&mangled), "{mangled}");
        }
    }
}

#[test]
fn refused_keys_say_why() {
    let error = |text: &str| text.parse::<VerifierKey>().unwrap_err();
    assert_eq!(error("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="), KeyError::Material);
    assert_eq!(error("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), KeyError::Algorithm(0x65));
    assert_eq!(error(PETER_SECRET), KeyError::Secret);
    assert_eq!(error("PeterNeumann"), KeyError::Form);
    assert_eq!(error(&PETER.replace("c74f20a3", "c74f20a4")), KeyError::OtherId { expected: "c74f20a3".into() });
    assert_eq!(error(&PETER.replace("c74f20a3", "C74F20A3")), KeyError::Id);
    let new = |name: &str, public: &[u8; 32]| VerifierKey::new(name, Algorithm::Ed25519, public).unwrap_err();
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", "a\u{7f}b", &"n".repeat(256)] {
        assert_eq!(new(name, &[0; 32]), KeyError::Name, "{name:?}");
    }
    // The neutral element, for which a signature of anything can be made.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(new("n", &neutral), KeyError::Point);
    assert_eq!(SignerKey::from_seed("a b", [1; 32]).unwrap_err(), KeyError::Name);
}

#[test]
fn a_note_of_unknown_keys_says_nothing() {
    let note = Note::parse(format!("{TEXT}\n{BY_PETER}")).unwrap();
    let untrusted = NoteError::Untrusted { signed_by: vec!["PeterNeumann+c74f20a3".into()] };
    assert_eq!(note.open(&[]).unwrap_err(), untrusted);
    assert_eq!(note.open(&[key(ENOCH)]).unwrap_err(), untrusted);
    // The same name and another key, the same key under another name.
    let [other, renamed] = [signer("PeterNeumann", 9).verifier(), {
        let peter = key(PETER);
        VerifierKey::new("PeterNewman", Algorithm::Ed25519, &peter.public()).unwrap()
    }];
    assert_eq!(note.open(&[other, renamed]).unwrap_err(), untrusted);
}

#[test]
fn a_bad_signature_of_a_known_key_spoils_the_note() {
    let forged = NoteError::Forged { key: "PeterNeumann".into() };
    let changed = format!("{}\n{BY_PETER}{BY_ENOCH}", TEXT.replace("answer", "answers"));
    assert_eq!(Note::parse(changed).unwrap().open(&[key(PETER)]).unwrap_err(), forged);
    // A good one, by an other key or even the same, does not make up for it.
    let bad = BY_PETER.replace("x08go/ZJ", "x08go/ZK");
    for note in [format!("{TEXT}\n{bad}{BY_ENOCH}"), format!("{TEXT}\n{BY_PETER}{bad}")] {
        assert_eq!(Note::parse(note).unwrap().open(&[key(ENOCH), key(PETER)]).unwrap_err(), forged);
    }
    let unknown = Note::parse(format!("{TEXT}\n{bad}{BY_ENOCH}")).unwrap();
    assert!(unknown.open(&[key(ENOCH)]).is_ok(), "nobody asked for Peter's");
}

#[test]
fn a_signer_counts_once() {
    let note = Note::parse(format!("{TEXT}\n{BY_PETER}{BY_PETER}")).unwrap();
    assert_eq!(note.open(&[key(PETER), key(PETER)]).unwrap().signers.len(), 1);
}

#[test]
fn misshapen_notes_are_refused() {
    let error = |text: &str| Note::parse(text).unwrap_err();
    assert_eq!(error(""), NoteError::Unfinished);
    assert_eq!(error(TEXT), NoteError::Unsigned);
    assert_eq!(error(&format!("{TEXT}\n")), NoteError::Unsigned);
    assert_eq!(error(&format!("{TEXT}{BY_PETER}")), NoteError::Unsigned);
    assert_eq!(error(format!("{TEXT}\n{BY_PETER}").trim_end()), NoteError::Unfinished);
    assert_eq!(error(&format!("{TEXT}\n{BY_PETER}").replace('\n', "\r\n")), NoteError::Control);
    assert_eq!(error(&format!("a\tb\n\n{BY_PETER}")), NoteError::Control);
    assert_eq!(Note::parse(b"\xff\n\n").unwrap_err(), NoteError::Utf8);
    assert_eq!(error(&"x".repeat(MAX_BYTES + 1)), NoteError::TooLong);
    let line = |line: &str| error(&format!("{TEXT}\n{BY_PETER}{line}\n"));
    for bad in
        ["- n AAAAAAA=", "— n", "—  AAAAAAA=", "— a b AAAAAAA=", "— n AAAAAA==", "— n AAAAAAA", "— n AAAAAAB=", "— n+m AAAAAAA="]
    {
        assert_eq!(line(bad), NoteError::Line(2), "{bad}");
    }
    let many = |n: usize| format!("{TEXT}\n{}", "— n AAAAAAA=\n".repeat(n));
    assert_eq!(error(&many(MAX_SIGNATURES + 1)), NoteError::TooMany);
    assert_eq!(Note::parse(many(MAX_SIGNATURES)).unwrap().signatures().len(), MAX_SIGNATURES);
}

#[test]
fn what_cannot_be_signed() {
    let (log, witness) = (signer("log", 1), SignerKey::witness_from_seed("w", [2; 32]).unwrap());
    assert_eq!(Note::sign("no end", &[&log]).unwrap_err(), NoteError::Unfinished);
    assert_eq!(Note::sign("a\tb\n", &[&log]).unwrap_err(), NoteError::Control);
    assert_eq!(Note::sign("a\n", &[]).unwrap_err(), NoteError::Unsigned);
    assert_eq!(Note::sign("a\n", &[&witness]).unwrap_err(), NoteError::OtherUse { key: "w".into() });
    let mut note = Note::sign("a\n", &[&log]).unwrap();
    assert_eq!(note.cosign(&log, 1).unwrap_err(), NoteError::OtherUse { key: "log".into() });
    for _ in 1..MAX_SIGNATURES {
        note.cosign(&witness, 1).unwrap();
    }
    assert_eq!(note.cosign(&witness, 1).unwrap_err(), NoteError::TooMany);
}

#[test]
fn signatures_of_one_text_come_together() {
    let (log, witness) = (signer("log", 1), SignerKey::witness_from_seed("w", [2; 32]).unwrap());
    let mut note = Note::sign("a\n", &[&log]).unwrap();
    let mut cosigned = note.clone();
    cosigned.cosign(&witness, 77).unwrap();
    note.merge(&cosigned).unwrap();
    note.merge(&cosigned).unwrap();
    assert_eq!(note, cosigned);
    note.merge(&Note::sign("b\n", &[&log]).unwrap()).unwrap();
    assert_eq!(note, cosigned, "another text's signatures stay out");
}

/// As a mail program writes it: each byte that is not plain as a code, lines broken softly.
fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let codes: Vec<String> = line
            .bytes()
            .map(|b| if b.is_ascii_graphic() && b != b'=' || b == b' ' { char::from(b).to_string() } else { format!("={b:02X}") })
            .collect();
        let broken: Vec<String> = codes.chunks(40).map(<[String]>::concat).collect();
        out.push_str(&(broken.join("=\r\n") + "\r\n"));
    }
    out
}

fn wrapped(text: &str) -> String {
    text.as_bytes().chunks(76).map(|line| format!("{}\r\n", String::from_utf8_lossy(line))).collect()
}

#[test]
fn a_note_is_found_in_a_mail() {
    let log = signer("bank.example/trail", 1);
    let mut note = Note::sign("bank.example/trail\n7\nAAAA\n", &[&log]).unwrap();
    note.cosign(&SignerKey::witness_from_seed("w", [2; 32]).unwrap(), 9).unwrap();
    let printed = note.to_string();
    let quoted: String = printed.lines().map(|line| format!("> {line}\r\n")).collect();
    for mail in [
        printed.clone(),
        printed.trim_end().to_owned(),
        printed.replace('\n', "\r\n"),
        format!("Dear all,\n\nthe checkpoint:\n\n{printed}\nYours\n"),
        format!("From: monitor\r\n\r\n{quoted}\r\n-- \r\nIT\r\n"),
        format!("<p>Keep it:</p>\n<pre style=\"x\">{}</pre>", printed.trim_end()),
        format!("    {}", printed.replace('\n', "\n    ")),
        format!("{}\n{printed}", Note::sign("an\nolder\none\n", &[&log]).unwrap()),
        format!("Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n\r\n{}", quoted_printable(&printed)),
        format!(
            "Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
            wrapped(&text::base64(format!("Dear all,\n\n{printed}").as_bytes()))
        ),
    ] {
        assert_eq!(Note::find(&mail).as_ref(), Some(&note), "{mail}");
    }
    for text in ["", "\n", "— ", &printed.replace("\n\n", "\n"), printed.split_once("\n\n").unwrap().1, "a\n\n— n AAAAAAA=\n"]
    {
        assert_eq!(Note::find(text), None, "{text}");
    }
}

#[test]
fn a_checkpoint_with_extension_lines_is_found_whole() {
    let log = signer("bank.example/trail", 1);
    let root = text::base64(&[3; 32]);
    let origin = "bank.example/trail";
    for extensions in ["", "one\n", "one\ntwo 2\n", &"more\n".repeat(16)] {
        let note = Note::sign(&format!("{origin}\n7\n{root}\n{extensions}"), &[&log]).unwrap();
        let printed = note.to_string();
        for mail in [printed.clone(), format!("Dear all,\nhere it is:\n{printed}"), printed.replace('\n', "\n> ")] {
            assert_eq!(Note::find(&mail).as_ref(), Some(&note), "{mail}");
        }
    }
}

#[test]
fn each_note_of_a_list_is_found_as_it_stands() {
    let log = signer("log.example/a", 7);
    let printed: Vec<String> = (1..5).map(|n| Note::sign(&format!("log\n{n}\nroot\n"), &[&log]).unwrap().to_string()).collect();
    for between in ["", "\n", "\r\n\n", "and then\n\n"] {
        let list = printed.join(between) + "what follows is no note\n";
        assert_eq!(Found::of(list.as_bytes()).notes, printed, "{list}");
    }
    for text in ["", "no note"] {
        assert_eq!(Found::notes_named("a", text.as_bytes()), [("a".to_owned(), text.into())]);
    }
    for text in [printed[0].clone(), format!("> {}", printed[0].replace('\n', "\n> ")), printed[0].clone() + &printed[0]] {
        assert_eq!(Found::notes_named("a", text.as_bytes()), [("a".to_owned(), printed[0].clone().into_bytes())]);
    }
    // However long the list is.
    let all: Vec<String> = (0..12_000).map(|n| printed[0].replace("\n1\n", &format!("\n{n}\n"))).collect();
    let long = all.concat();
    assert_eq!((Found::of(long.as_bytes()).notes == all, long.len() > MAX_BYTES), (true, true));
}

proptest! {
    #[test]
    fn what_is_signed_opens_and_nothing_else(lines in prop::collection::vec("[^\\p{Cc}]{0,30}", 1..6), seed: [u8; 32], at: prop::sample::Index, bit in 0_u8..8) {
        let text = lines.join("\n") + "\n";
        let secret = SignerKey::from_seed("log.example/a", seed).unwrap();
        prop_assert_eq!(secret.secret().parse::<SignerKey>().unwrap().verifier(), secret.verifier());
        let printed = Note::sign(&text, &[&secret]).unwrap().to_string();
        let keys = [secret.verifier()];
        let note = Note::parse(&printed).unwrap();
        prop_assert_eq!(note.open(&keys).unwrap().text, &text);
        let mut spoilt = printed.clone().into_bytes();
        spoilt[at.index(printed.len())] ^= 1_u8 << bit;
        let opened = Note::parse(&spoilt).is_ok_and(|note| note.open(&keys).is_ok());
        prop_assert!(!opened, "{}", String::from_utf8_lossy(&spoilt));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "(\\PC|\n|— | ){0,80}") {
        for input in [bytes.as_slice(), text.as_bytes()] {
            let _ = Note::find(input);
            if let Ok(note) = Note::parse(input) {
                let printed = note.to_string();
                prop_assert_eq!(printed.as_bytes(), input);
            }
        }
    }
    /// Whatever is handed over is read or refused; what is read is printed the same again.
    #[test]
    fn any_text_is_read_or_refused(
        head in "(c2sp.org/tlog-proof@v1|counterfoil-heads-proof@v1|log|)(\\n| )?",
        text in "((index|head|event|extra|last|absent|group|witness|quorum|none|any|[0-9]{1,20}|[A-Za-z0-9+/]{43}=|— n|\\PC{0,5})[ \\n]{0,2}){0,12}",
    ) {
        let text = head + &text;
        if let Ok(proof) = TlogProof::parse(&text) {
            prop_assert_eq!(proof.to_string(), text.clone());
        }
        if let Ok(proof) = HeadsProof::parse(&text) {
            prop_assert_eq!(proof.to_string(), text.clone());
        }
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.to_string(), text.clone());
        }
        let _ = (Policy::parse(&text), Close::parse(&text), decode(text.as_bytes()).is_ok());
        let _ = (export::parse_leaf(&text), export::parse_opening(&text), export::parse_bundle_line(&text));
    }
}
