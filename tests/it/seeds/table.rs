//! `docs/seeds.md` names what is there: every command and every test, and every story here is on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::program::Program;

/// How many systems there are.
const SYSTEMS: usize = 17;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The table's rows: system, what does it here, its test.
fn rows() -> Vec<[String; 3]> {
    let page = fs::read_to_string(root().join("docs/seeds.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| System"));
    let cells = |line: &str| -> [String; 3] {
        let cells: Vec<String> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("not three cells: {cells:?}"))
    };
    rows.map(cells).collect()
}

/// `roll-back` is told by `roll_back`.
fn story(system: &str) -> String {
    system.to_lowercase().replace([' ', '-'], "_")
}

#[test]
fn every_system_names_its_story_and_every_story_its_system() {
    let rows = rows();
    assert_eq!(rows.len(), SYSTEMS);
    let mut named = BTreeSet::new();
    for [system, _, test] in &rows {
        let name = story(system);
        assert_eq!(quoted(test).collect::<Vec<_>>(), [format!("seeds::{name}")], "{system}");
        let text = fs::read_to_string(root().join(format!("tests/it/seeds/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("#[test]\nfn {name}() {{")), "seeds/{name}.rs has no test of that name");
        named.insert(name);
    }
    let files = fs::read_dir(root().join("tests/it/seeds")).unwrap();
    let stems = files.filter_map(|entry| Some(entry.unwrap().path().file_stem()?.to_str()?.to_owned()));
    let stories: BTreeSet<String> = stems.filter(|stem| !["mod", "table"].contains(&stem.as_str())).collect();
    assert_eq!(stories, named);
}

#[test]
fn every_command_and_file_of_the_table_is_there() {
    let dir = tempfile::tempdir().unwrap();
    for [system, here, _] in rows() {
        for name in quoted(&here) {
            if let Some(command) = name.strip_prefix("counterfoil ") {
                let words: Vec<&str> =
                    command.split(' ').take_while(|word| word.chars().all(|c| c.is_lowercase() || c == '-')).collect();
                Program::new(dir.path()).args(words).arg("--help").run().succeeded();
            } else if name.contains('/') && !name.contains(['?', '{', ' ']) {
                assert!(root().join(name).exists(), "{system}: {name}");
            }
        }
    }
}
