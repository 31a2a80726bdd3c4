//! Policy files: who is trusted, how many must sign, and what is refused.

use counterfoil_verify::note::SignedBy;
use counterfoil_verify::{Policy, SignerKey, VerifierKey};

fn witness(n: u8) -> VerifierKey {
    SignerKey::witness_from_seed(&format!("w{n}.example"), [n; 32]).unwrap().verifier()
}

fn log(n: u8) -> VerifierKey {
    SignerKey::from_seed("log.example", [n; 32]).unwrap().verifier()
}

fn signed(by: &[u8]) -> Vec<SignedBy> {
    by.iter().map(|n| SignedBy { key: witness(*n), time: Some(1) }).collect()
}

/// The example of the specification, with keys.
fn example() -> String {
    let mut text = format!("# who\n  log\t{} https://log.example/\n\n", log(100));
    for n in 1..=6 {
        let name = if n < 4 { format!("X{n}") } else { format!("Y{}", n - 3) };
        text += &format!("witness {name} {}\n", witness(n));
    }
    text + "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
}

#[test]
fn the_quorum_of_the_specification_s_example() {
    let policy = Policy::parse(&example()).unwrap();
    assert_eq!((policy.logs(), policy.witnesses().count()), (&[log(100)][..], 6));
    for (by, met) in [
        (&[1, 2, 4][..], true),
        (&[1, 3, 6], true),
        (&[1, 2, 3], false),
        (&[1, 4, 5, 6], false),
        (&[], false),
        (&[1, 1, 4], false),
    ] {
        assert_eq!(policy.quorum_met(&signed(by)), met, "{by:?}");
    }
    let any = Policy::parse(&example().replace("quorum X-and-Y", "quorum none")).unwrap();
    assert!(any.quorum_met(&[]));
    let one = Policy::parse(&example().replace("quorum X-and-Y", "quorum Y2")).unwrap();
    assert!(one.quorum_met(&signed(&[5])) && !one.quorum_met(&signed(&[4])));
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let good = example();
    let refused = |text: String, words: &str| {
        let error = Policy::parse(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{error} for\n{text}");
    };
    refused(good.replace("quorum X-and-Y\n", ""), "no `quorum` line");
    refused(good.clone() + "quorum none\n", "second quorum");
    refused(good.replace("quorum X-and-Y", "quorum Z"), "no line before it defines");
    refused(good.replace("all X-witnesses", "3 X-witnesses"), "3 of 2");
    refused(good.replace("all X-witnesses", "0 X-witnesses"), "0 of 2");
    refused(good.replace("all X-witnesses", "some X-witnesses"), "for a number");
    refused(good.replace("2 X1 X2 X3", "2 X1 X1 X3"), "counts once");
    refused(good.replace("any Y1 Y2 Y3", "any Y1 X1"), "counts once");
    refused(good.replace("group Y-witnesses", "group X1"), "taken");
    refused(good.replace("group Y-witnesses", "group none"), "taken");
    refused(good.replace("group X-and-Y all X-witnesses Y-witnesses", "group X-and-Y all"), "neither log");
    refused(good.replace("# who", "who"), "line 1 of the policy is neither log");
    refused(good.clone() + &format!("log {}\n", witness(9)), "other kind");
    refused(good.clone() + &format!("witness Z {}\n", log(9)), "other kind");
    refused(good.clone() + &format!("log {}\n", log(100)), "second time");
    refused(good.clone() + &format!("witness Z {}\n", witness(1)), "second time");
    refused(good.clone() + "log nonsense\n", "cannot be used");
    let many: String = (0..65).map(|n| format!("log {}\n", log(n))).collect();
    refused(many + "quorum none\n", "one too many");
}
