//! Lines, their bound, and cells that a spreadsheet must not run.

use super::*;

#[test]
fn a_name_cannot_run_as_a_formula_and_what_is_left_out_is_said() {
    let line = UserLine {
        name: "=cmd, \"x\"".to_owned(),
        role: "source",
        changes: 3,
        source: Some("core".to_owned()),
        ..UserLine::default()
    };
    let whole = ByUser { lines: vec![line], lines_total: 1, looked_at: 3, truncated: false };
    let text = csv(&whole);
    assert_eq!(text.lines().nth(1), Some(",\"'=cmd, \"\"x\"\"\",source,0,0,0,0,0,3,0,0,core"));
    assert_eq!(text.lines().count(), 2);
    let text = csv(&ByUser { truncated: true, ..whole });
    assert!(text.lines().last().is_some_and(|last| last.contains("not complete")), "{text}");
    assert!(text.lines().all(|line| line.matches(',').count() >= 11), "{text}");
}

#[test]
fn whose_is_read_back_as_written() {
    for whose in Whose::all() {
        assert_eq!(Whose::parse(whose.text()), Some(whose));
    }
    assert_eq!(Whose::parse("nobody"), None);
}
