//! What is handed over to be verified, as mail programs and people leave it: specimens with the outcome that each must
//! have. The program and the page are held against the same ones.

use counterfoil_verify::text::base64;

/// What is to come out: as the exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Verified = 0,
    NotVerified = 1,
    Nothing = 2,
}
use Outcome::{NotVerified, Nothing, Verified};

pub struct Specimen {
    pub name: String,
    pub content: Vec<u8>,
    pub outcome: Outcome,
}

/// The ways in which a text is kept.
pub const WAYS: [&str; 12] = [
    "plain",
    "mark",
    "more-lines",
    "crlf",
    "quoted",
    "quoted-crlf",
    "words",
    "html",
    "breaks",
    "printable",
    "base64",
    "unpadded",
];

/// What becomes of a text on a way.
pub fn kept(way: &str, text: &str) -> String {
    let each = |line: &dyn Fn(&str) -> String| text.lines().map(line).collect::<String>();
    let in_lines = |text: &str, width: usize, end: &str| -> String {
        let parts = text.as_bytes().chunks(width).map(|part| std::str::from_utf8(part).unwrap());
        parts.collect::<Vec<_>>().join(end)
    };
    match way {
        "plain" => text.to_owned(),
        "mark" => format!("\u{feff}{text}"),
        "more-lines" => format!("{text}\n\n"),
        "crlf" => text.replace('\n', "\r\n"),
        "quoted" => each(&|line| format!("> {line}\n")),
        "quoted-crlf" => each(&|line| format!("> > {line}\r\n")),
        "words" => format!("Dear auditor,\n\nhere it is:\n{text}\n-- \nThe bank\n"),
        "html" => format!("<html><body>\n<pre>{text}</pre></body></html>\n"),
        "breaks" => format!("<div>{}</div>\n", text.trim_end().replace('\u{2014}', "&mdash;").replace('\n', "<br>\r\n")),
        "printable" => {
            let coded = text.replace('=', "=3D").replace('\u{2014}', "=E2=80=94");
            let soft: Vec<String> = coded.lines().map(|line| in_lines(line, 72, "=\r\n")).collect();
            format!("Content-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n", soft.join("\r\n"))
        }
        "base64" => format!("Content-Transfer-Encoding: base64\n\n{}\n", in_lines(&base64(text.as_bytes()), 76, "\n")),
        // So that words after it look as if they belonged to it.
        "unpadded" => {
            let padded = format!("{text}{}", "\n".repeat(3 - text.len() % 3));
            format!("Content-Transfer-Encoding: base64\n\n{}\nYours\n\n", in_lines(&base64(padded.as_bytes()), 76, "\n"))
        }
        other => panic!("{other}"),
    }
}

/// What the specimens are made of: texts that one log gave out, and forged ones.
pub struct Pieces {
    pub checkpoint: String,
    /// Signed checkpoints of the same size with other roots.
    pub forks: [String; 2],
    /// Proofs of two leaves, which they carry.
    pub leaves: [String; 2],
    /// The first of them with the leaf of the second.
    pub forged: String,
    /// The same with two bytes appended to its leaf, whose hash is nowhere.
    pub appended: String,
    /// A proof about an account, and what it does not prove.
    pub last: String,
    pub lie: String,
}

/// All of them. Each is to be verified with the key of the log alone.
pub fn specimens(of: &Pieces) -> Vec<Specimen> {
    let mut all = Vec::new();
    for way in WAYS {
        alone(way, of, &mut all);
        WAYS.iter().for_each(|other| together(way, other, of, &mut all));
    }
    odd(of, &mut all);
    all
}

fn put(all: &mut Vec<Specimen>, name: String, content: String, outcome: Outcome) {
    all.push(Specimen { name, content: content.into_bytes(), outcome });
}

/// One thing, kept in one way.
fn alone(way: &str, of: &Pieces, all: &mut Vec<Specimen>) {
    let ([leaf, _], [fork, _], last) = (&of.leaves, &of.forks, &of.last);
    let size = of.checkpoint.lines().nth(1).unwrap();
    let sized = |other: String| of.checkpoint.replace(&format!("\n{size}\n"), &format!("\n{other}\n"));
    for (what, text, outcome) in [
        ("checkpoint.txt", of.checkpoint.clone(), Verified),
        ("changed.txt", sized(format!("{size}1")), NotVerified),
        ("unreadable.txt", sized(format!("{size}x")), NotVerified),
        ("two.txt", format!("{}\n{fork}", of.checkpoint), NotVerified),
        ("leaf.tlog-proof", leaf.clone(), Verified),
        ("leaf.txt", leaf.clone(), Verified),
        ("forged.txt", of.forged.clone(), NotVerified),
        ("later.txt", leaf.replace("@v1", "@v9"), NotVerified),
        ("last.heads-proof", last.clone(), Verified),
        ("lie.txt", of.lie.clone(), NotVerified),
        ("later-last.txt", last.replace("heads-proof@v1", "heads-proof@v2"), NotVerified),
        ("none.tlog-proof", of.checkpoint.clone(), NotVerified),
        ("cut.txt", leaf.split_once("\n\n").unwrap().0.to_owned() + "\n", NotVerified),
    ] {
        put(all, format!("{way}-{what}"), kept(way, &text), outcome);
    }
}

/// Two things in one file.
fn together(way: &str, other: &str, of: &Pieces, all: &mut Vec<Specimen>) {
    let ([leaf, other_leaf], [fork, other_fork], last) = (&of.leaves, &of.forks, &of.last);
    let pairs = [
        ("same", &of.checkpoint, &of.checkpoint, Verified),
        ("fork-last", &of.checkpoint, fork, NotVerified),
        ("fork-first", fork, &of.checkpoint, NotVerified),
        ("same-proof", leaf, leaf, Verified),
        ("same-last", last, last, Verified),
        ("proof-then-fork", leaf, fork, NotVerified),
        ("fork-then-proof", fork, leaf, NotVerified),
        ("proof-then-checkpoint", leaf, &of.checkpoint, Verified),
        ("last-then-fork", last, fork, NotVerified),
        ("proofs", leaf, other_leaf, Nothing),
        ("forged-last", leaf, &of.forged, Nothing),
        ("forged-first", &of.forged, leaf, Nothing),
        ("account-and-leaf", last, leaf, Nothing),
        ("two-forks", other_fork, fork, NotVerified),
    ];
    for (what, first, second, outcome) in pairs {
        let (first, second) = (kept(way, first), kept(other, second));
        let content = format!("{first}\n--part\nContent-Type: text/plain\n\n{second}\n--part--\n");
        put(all, format!("{way}-{other}-{what}.eml"), content, outcome);
    }
}

/// What people do to files.
fn odd(of: &Pieces, all: &mut Vec<Specimen>) {
    let [leaf, _] = &of.leaves;
    let rows = [
        ("words-above", format!("Dear auditor,\n{}", of.checkpoint), Verified),
        ("blank-above", format!("\n{}", of.checkpoint), Verified),
        ("no-line-end", of.checkpoint.trim_end().to_owned(), Verified),
        ("proof-no-line-end", leaf.trim_end().to_owned(), Verified),
        ("proof-words-below", format!("{leaf}Yours\n"), Verified),
        ("proof-words-above", format!("Here is c2sp.org/tlog-proof@v1:\n{leaf}"), Verified),
        ("rotation-above", format!("counterfoil-key-rotation/v1\n{leaf}"), Verified),
        ("appended-leaf", of.appended.clone(), NotVerified),
        ("cut-then-proof", format!("c2sp.org/tlog-proof@v1\nindex 7\n\n{leaf}"), Nothing),
        ("a-name", format!("{}\n\nSee\nyou\nthen\n\n\u{2014} Bob Johnston\n", of.checkpoint), Verified),
    ];
    for (name, content, outcome) in rows {
        put(all, format!("{name}.txt"), content, outcome);
    }
}
