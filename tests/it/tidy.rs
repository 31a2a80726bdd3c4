//! The rules of the house, read from the source: who may import whom, which room holds which
//! outside world, how long a file or a function may be, and that nothing is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the top to the bottom of the house; those on one line do not know each other.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["web"],
    &["jobs"],
    &["capture"],
    &["app"],
    &["import"],
    &["export"],
    &["audit"],
    &["intake"],
    &["reports"],
    &["privacy"],
    &["records"],
    &["alerts", "forward", "witness"],
    &["notify"],
    &["detect"],
    &["ledger"],
    &["approvals"],
    &["access"],
    &["trail"],
    &["db"],
    &["config"],
    &["clock", "ids", "money"],
];

/// Macros that live at the root of the crate, and the room they belong to.
const ROOT_MACROS: &[(&str, &str)] = &[("on_conn", "db"), ("bulk_row", "db")];

/// Outside worlds: a word of the source, and where it may stand (a folder ends with `/`).
const WORLDS: &[(&str, &[&str])] = &[
    ("actix_web", &["web/"]),
    ("clap", &["cli/"]),
    ("lettre", &["notify/"]),
    ("askama", &["web/", "reports/", "notify/"]),
    ("diesel", &["db/", "store.rs"]),
    ("std::env", &["config.rs"]),
    ("env::var", &["config.rs"]),
    ("env::var_os", &["config.rs"]),
    ("Utc::now", &["clock.rs"]),
    ("Local::now", &["clock.rs"]),
    ("SystemTime::now", &["clock.rs"]),
    ("getrandom", &["clock.rs"]),
    ("unsafe_code", &["db/feed.rs"]),
];

/// Where a world stands outside its room, with the reason. This list only shrinks: a line that is
/// no longer needed fails the test too.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("diesel", "trail/act.rs", "an act's queries fail with diesel's own error"),
    ("diesel", "intake/batch.rs", "one commit writes many rooms' tables at once"),
    ("diesel", "intake/figures.rs", "figures are stored by the commit that changes them"),
    ("diesel", "intake/load.rs", "what only the engine reads at start"),
    ("diesel", "intake/runs.rs", "index runs belong to the engine alone"),
];

/// Longest file and longest function, in lines.
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 60;

/// Files that are lists and not code.
const LISTS: &[&str] = &["db/schema.rs"];

/// What is never left in the source.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file: its path from the folder that was read, and its text.
struct Source {
    path: String,
    text: String,
}

fn sources(folder: &str) -> Vec<Source> {
    let base = root().join(folder);
    let mut files = Vec::new();
    collect(&base, &mut files);
    files.sort();
    let read = |file: PathBuf| {
        let path = file.strip_prefix(&base).unwrap().to_str().unwrap().replace('\\', "/");
        Source { path, text: fs::read_to_string(&file).unwrap() }
    };
    files.into_iter().filter(|file| file.extension().is_some_and(|e| e == "rs")).map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

impl Source {
    /// `ledger` for `ledger/continuity/mod.rs`, `money` for `money.rs`.
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        let in_tests = self.path.split('/').any(|part| part == "tests");
        in_tests || self.path.ends_with("/tests.rs") || self.path.ends_with("/testing.rs")
    }

    /// The text that ends up in the program: no comments, and no tests.
    fn code(&self) -> String {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        self.text[..end].lines().map(without_comment).collect::<Vec<_>>().join("\n")
    }
}

fn without_comment(line: &str) -> &str {
    let is_comment = |at: &usize| line[..*at].matches('"').count().is_multiple_of(2);
    line.match_indices("//").map(|(at, _)| at).find(is_comment).map_or(line, |at| &line[..at])
}

/// Whether `word` stands in `code` by itself, not as a part of another word.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(part);
        let after = code[at + word.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}

/// The rooms that follow `crate::`, also in a group: `crate::{db::Conn, money::Money}`.
fn imported(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => rooms.extend(group_heads(group)),
            None => rooms.extend(head(rest)),
        }
    }
    rooms
}

fn head(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut from) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                heads.extend(head(&group[from..at]));
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

fn layer(room: &str) -> Option<usize> {
    let room = ROOT_MACROS.iter().find(|(name, _)| *name == room).map_or(room, |(_, room)| room);
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn imports_only_go_down() {
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|s| !s.is_test() && s.path != "lib.rs") {
        let Some(own) = layer(source.room()) else {
            wrong.push(format!("src/{}: the room `{}` has no place in LAYERS", source.path, source.room()));
            continue;
        };
        for room in imported(&source.code()) {
            let same = room == source.room() || (room == "on_conn" || room == "bulk_row") && source.room() == "db";
            match layer(&room) {
                _ if same => {}
                None => wrong.push(format!("src/{}: imports `{room}`, which has no place in LAYERS", source.path)),
                Some(other) if other <= own => {
                    wrong.push(format!("src/{}: imports `{room}`, which is not below it", source.path))
                }
                Some(_) => {}
            }
        }
    }
    none(&wrong);
}

/// `super::` beyond the room's own door would be an import that the test above does not see.
#[test]
fn nobody_leaves_a_room_through_super() {
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|s| !s.is_test()) {
        let below = source.path.split('/').count() - usize::from(source.path.ends_with("mod.rs"));
        let too_many = "super::".repeat(below);
        if source.code().contains(&too_many) {
            wrong.push(format!("src/{}: `{too_many}` leads out of the room; write crate::…", source.path));
        }
    }
    none(&wrong);
}

#[test]
fn each_outside_world_stays_in_its_room() {
    let mut wrong = Vec::new();
    let mut needed = BTreeSet::new();
    for source in sources("src").iter().filter(|s| !s.is_test()) {
        let code = source.code();
        for (world, homes) in WORLDS.iter().filter(|(world, _)| names(&code, world)) {
            let home = |home: &&str| match home.strip_suffix('/') {
                Some(room) => source.room() == room,
                None => source.path == **home || source.path.ends_with(&format!("/{home}")),
            };
            if homes.iter().any(home) {
                continue;
            }
            match ELSEWHERE.iter().find(|(name, path, _)| name == world && *path == source.path) {
                Some(exception) => drop(needed.insert(*exception)),
                None => wrong.push(format!("src/{}: `{world}` belongs in {}", source.path, homes.join(", "))),
            }
        }
    }
    let stale = ELSEWHERE.iter().filter(|exception| !needed.contains(exception));
    wrong.extend(stale.map(|(world, path, _)| format!("ELSEWHERE: src/{path} no longer names `{world}`; remove the line")));
    none(&wrong);
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|s| !LISTS.contains(&s.path.as_str())) {
        let lines: Vec<&str> = source.text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            wrong.push(format!("src/{}: {} lines, the most is {FILE_LINES_MAX}", source.path, lines.len()));
        }
        for (at, line) in lines.iter().enumerate() {
            let Some((indent, name)) = function(line) else { continue };
            let end = format!("{}}}", " ".repeat(indent));
            let length = full_length(&lines[at..], &end).unwrap_or_default();
            if length > FUNCTION_LINES_MAX {
                wrong.push(format!(
                    "src/{}:{}: fn {name} has {length} lines, the most is {FUNCTION_LINES_MAX}",
                    source.path,
                    at + 1
                ));
            }
        }
    }
    none(&wrong);
}

/// The indent and name of the function that begins on this line.
fn function(line: &str) -> Option<(usize, String)> {
    let code = line.trim_start();
    let rest = code.strip_prefix("fn ").or_else(|| {
        let (before, rest) = code.split_once(" fn ")?;
        let words = before.split_whitespace();
        let qualifiers = ["pub", "pub(super)", "pub(crate)", "const", "async", "unsafe", "extern"];
        words.into_iter().all(|w| qualifiers.contains(&w)).then_some(rest)
    })?;
    Some((line.len() - code.len(), head(rest)?))
}

/// Lines to the brace that closes the function, or to the end of one without a body of its own.
fn full_length(lines: &[&str], end: &str) -> Option<usize> {
    let opened = lines.iter().position(|line| line.ends_with('{') || line.ends_with(';') || line.ends_with('}'))?;
    if !lines[opened].ends_with('{') {
        return Some(opened + 1);
    }
    lines.iter().position(|line| *line == end).map(|at| at + 1)
}

#[test]
fn nothing_is_left_unfinished() {
    let mut wrong = Vec::new();
    for folder in ["src", "crates", "tests"] {
        for source in sources(folder).iter().filter(|s| s.path != "it/tidy.rs") {
            for (at, line) in source.text.lines().enumerate() {
                let word = UNFINISHED.iter().find(|word| without_comment(line).contains(**word));
                wrong.extend(word.map(|word| format!("{folder}/{}:{}: {word}", source.path, at + 1)));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_file_says_what_it_is() {
    let begins = |source: &&Source| !source.is_test() && !source.text.starts_with("//! ");
    let silent =
        sources("src").iter().filter(begins).map(|s| format!("src/{}: begin with a `//!` paragraph", s.path)).collect::<Vec<_>>();
    none(&silent);
}

#[test]
fn the_map_names_every_room() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = if path.is_dir() { format!("{name}/") } else { name.to_owned() };
        if !map.contains(&format!("`{name}`")) {
            wrong.push(format!("ARCHITECTURE.md does not name `{name}`"));
        }
    }
    none(&wrong);
}

#[test]
fn every_test_file_is_declared() {
    let files = sources("tests/it");
    let declares = |parents: &[String], stem: &str| {
        let parent = files.iter().find(|f| parents.contains(&f.path));
        parent.is_some_and(|f| f.text.lines().any(|l| l.trim_start_matches("pub ").trim_end() == format!("mod {stem};")))
    };
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| f.path != "main.rs") {
        let path = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let declared = match path.rsplit_once('/') {
            None => declares(&["main.rs".into()], path),
            Some((folder, stem)) => declares(&[format!("{folder}.rs"), format!("{folder}/mod.rs")], stem),
        };
        if !declared {
            wrong.push(format!("tests/it/{}: no `mod` declares it, so its tests never run", file.path));
        }
    }
    none(&wrong);
}

#[test]
fn migrations_have_the_same_names_and_go_both_ways() {
    let names = |kind: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join("migrations").join(kind)).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    assert_eq!(sqlite, postgres);
    let missing = |kind: &str, name: &String| {
        let folder = root().join("migrations").join(kind).join(name);
        ["up.sql", "down.sql"]
            .iter()
            .filter(|f| !folder.join(f).is_file())
            .map(|f| format!("{kind}/{name}/{f}"))
            .collect::<Vec<_>>()
    };
    let wrong: Vec<String> =
        ["sqlite", "postgres"].iter().flat_map(|kind| sqlite.iter().flat_map(|n| missing(kind, n))).collect();
    none(&wrong);
}

#[test]
fn the_reader_of_sources_reads_them_rightly() {
    let code = "use crate::{db::{Conn, Db}, money::Money, on_conn};\nlet x = crate::clock::DAY;\nfn f(c: &crate::ids::Seq) {}";
    let rooms: Vec<String> = imported(code).into_iter().collect();
    assert_eq!(rooms, ["clock", "db", "ids", "money", "on_conn"]);
    assert_eq!(without_comment("let url = \"http://x\"; // why"), "let url = \"http://x\"; ");
    assert!(names("use diesel::x", "diesel") && !names("use diesel_migrations::x", "diesel"));
    assert_eq!(function("    pub(super) fn name<T>(x: T) {"), Some((4, "name".into())));
    assert_eq!(function("    let f = |x| fn_call(x);"), None);
    let body = ["fn f(", "    a: i32,", ") {", "    x", "}", "}"];
    assert_eq!(full_length(&body, "}"), Some(5));
}
