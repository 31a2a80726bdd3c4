//! What the charts promise.

use super::*;

const USD: Unit<'static> = Unit { name: "USD", decimals: 2 };
const COUNT: Unit<'static> = Unit { name: "entries", decimals: 0 };

fn bar(label: &str, value: i128) -> Bar {
    Bar { label: label.into(), value, text: value.to_string() }
}

fn point(at: i64, balance: i128) -> Point {
    Point { entry: at, label: format!("t{at}"), at, balance, text: balance.to_string() }
}

#[test]
fn names_itself_for_those_who_do_not_see_it() {
    let charts = [
        bars("A title", "A finding", COUNT, &[bar("00", 3)]),
        horizontal_bars("A title", "A finding", COUNT, &[bar("rule", 3)]),
        steps("A title", "A finding", USD, &[point(0, 5), point(9, 7)], &[]),
        ribbon("A title", "A finding", ("a", "b"), &[]),
    ];
    for svg in charts {
        assert!(svg.contains("role=\"img\""));
        assert!(svg.contains(">A title</title>"));
        assert!(svg.contains(">A finding</desc>"));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
        assert!(!svg.contains("style="));
    }
}

#[test]
fn escapes_every_text() {
    let nasty = "<script>\"'&\u{1}";
    let svg = [
        bars(nasty, nasty, Unit { name: nasty, decimals: 0 }, &[bar(nasty, 1)]),
        horizontal_bars(nasty, nasty, Unit { name: nasty, decimals: 0 }, &[bar(nasty, 1)]),
        steps(
            nasty,
            nasty,
            Unit { name: nasty, decimals: 2 },
            &[Point { entry: 0, label: nasty.into(), at: 0, balance: 1, text: nasty.into() }],
            &[Mark { entry: 0, at: 0, open: true, expected: None, found: 4, label: nasty.into() }],
        ),
        ribbon(nasty, nasty, (nasty, nasty), &[Segment::Break { open: true, text: nasty.into() }]),
    ]
    .concat();
    assert!(!svg.contains("<script"));
    assert!(!svg.contains('\u{1}'));
    assert!(svg.contains("&lt;script&gt;&quot;&#39;&amp; "));
}

#[test]
fn extremes_neither_overflow_nor_leave_the_picture() {
    let all = [i128::MIN, -1, 0, 1, i128::MAX];
    for low in all {
        for high in all {
            let _ = bars("t", "f", USD, &[bar("a", low), bar("b", high)]);
            let _ = horizontal_bars("t", "f", USD, &[bar("a", low), bar("b", high)]);
            let mark = Mark { entry: 0, at: 0, open: true, expected: Some(low), found: high, label: "x".into() };
            let _ = steps("t", "f", USD, &[point(i64::MIN, low), point(i64::MAX, high)], &[mark]);
        }
    }
    let run = Segment::Run { entries: u64::MAX, text: String::new() };
    let _ = ribbon("t", "f", ("", ""), &vec![run; 40]);
    let hole = Segment::Break { open: true, text: String::new() };
    let _ = ribbon("t", "f", ("", ""), &vec![hole; 4000]);
    assert_eq!(scale(i128::MAX, i128::MAX, 500), 500);
    assert_eq!(scale(i128::MAX / 2, i128::MAX, 500), 249);
}

#[test]
fn empty_input_still_makes_a_picture() {
    for svg in [
        bars("t", "f", COUNT, &[]),
        horizontal_bars("t", "f", COUNT, &[]),
        steps("t", "f", USD, &[], &[]),
        ribbon("t", "f", ("", ""), &[]),
    ] {
        assert!(svg.ends_with("</svg>"));
    }
}

#[test]
fn axis_is_round_and_encloses() {
    let axis = Axis::around(0, 1_234, COUNT);
    assert_eq!(axis.ticks(), [0, 500, 1_000, 1_500]);
    assert_eq!(axis.label(1_500), "1,500");
    // 36.8 million dollars in cents.
    let axis = Axis::around(0, 3_680_000_000, USD);
    assert_eq!(axis.magnitude().0, ", million");
    assert_eq!(axis.label(axis.ticks()[1]), "10");
    let axis = Axis::around(-130, 60, USD);
    assert!(axis.low <= -130 && axis.high >= 60);
    assert_eq!(axis.label(-50), "\u{2212}0.50");
}

#[test]
fn bars_stand_on_zero() {
    let svg = bars("t", "f", COUNT, &[bar("a", 1_000), bar("b", 2_000)]);
    assert!(svg.contains("class=\"base\""));
    // The second is twice as tall as the first.
    let tall: Vec<i64> =
        svg.split("<rect ").skip(1).filter_map(|r| r.split("height=\"").nth(1)?.split('"').next()?.parse().ok()).collect();
    assert_eq!(tall, [72, 144]);
    // A small value is still seen.
    assert!(bars("t", "f", COUNT, &[bar("a", 1), bar("b", 1_000_000)]).contains("height=\"1\""));
}

#[test]
fn a_baseline_away_from_zero_is_said() {
    let far = steps("t", "f", USD, &[point(0, 1_000_000), point(9, 1_000_900)], &[]);
    assert!(far.contains("not at zero"));
    let near = steps("t", "f", USD, &[point(0, 1_000), point(9, 1_000_900)], &[]);
    assert!(!near.contains("not at zero") && near.contains("class=\"base\""));
}

#[test]
fn breaks_are_crosses_with_words_and_a_gap() {
    let mark = Mark { entry: 5, at: 5, open: true, expected: Some(700), found: 300, label: "−4.00".into() };
    let svg = steps("t", "f", USD, &[point(0, 700), point(5, 250), point(9, 800)], &[mark]);
    assert!(svg.contains("class=\"mark\"") && svg.contains("−4.00"));
    assert!(svg.contains("class=\"gap\" d=\"M"));
    let segments = [
        Segment::Run { entries: 90, text: "90 entries".into() },
        Segment::Break { open: true, text: "seq 91".into() },
        Segment::Run { entries: 10, text: "10 entries".into() },
    ];
    let svg = ribbon("t", "f", ("a", "b"), &segments);
    assert_eq!(svg.matches("class=\"run\"").count(), 2);
    assert!(svg.contains("90 entries") && svg.contains("seq 91"));
}

#[test]
fn of_several_points_of_one_instant_only_the_broken_one_jumps() {
    let mark = Mark { entry: 7, at: 5, open: true, expected: Some(700), found: 300, label: "−4.00".into() };
    let same = |entry: i64, balance| Point { entry, ..point(5, balance) };
    let svg = steps("t", "f", USD, &[point(0, 900), same(6, 700), same(7, 250), same(8, 260)], &[mark]);
    let gap = svg.split("class=\"gap\" d=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    assert_eq!(gap.matches('M').count(), 1, "{gap}");
}

#[test]
fn labels_of_many_bars_do_not_touch() {
    let values: Vec<Bar> = (0..90).map(|d| bar(&format!("2026-11-{d:02}"), d)).collect();
    let svg = bars("t", "f", COUNT, &values);
    assert!(svg.matches("2026-11-").count() < 9);
}
