//! A balance over time: it stays until an entry moves it, so it is drawn in steps.

use std::fmt::Write as _;

use super::{Area, Axis, Canvas, Unit, WIDE, margin, scale, text_width};

/// The balance after one entry.
#[derive(Clone, Debug)]
pub struct Point {
    /// The entry's place in the log.
    pub entry: i64,
    /// The time in words, for the axis.
    pub label: String,
    /// The time, in microseconds.
    pub at: i64,
    /// The balance, in minor units.
    pub balance: i128,
    /// The balance in words.
    pub text: String,
}

/// A continuity break on the balance.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The place of the entry it is named at.
    pub entry: i64,
    /// The time, in microseconds.
    pub at: i64,
    /// The balance that was expected, where one is known.
    pub expected: Option<i128>,
    /// The balance that was found.
    pub found: i128,
    /// Whether it is still open; an explained one is drawn lighter.
    pub open: bool,
    /// Printed above the mark: the difference.
    pub label: String,
}

/// A balance in steps, with × where the balance found is not the balance expected.
///
/// The baseline is zero, unless the balances all lie so far from zero that their movement would
/// vanish; then the chart says where its axis starts.
#[must_use]
pub fn steps(title: &str, finding: &str, unit: Unit<'_>, points: &[Point], breaks: &[Mark]) -> String {
    let height = 286;
    let mut canvas = Canvas::open("steps", WIDE, height, title, finding);
    let all = || {
        let marks = breaks.iter().flat_map(|b| [Some(b.found), b.expected]).flatten();
        points.iter().map(|p| p.balance).chain(marks)
    };
    let (low, high) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let range = high.saturating_sub(low);
    let far = range > 0 && (low > range.saturating_mul(4) || high < range.saturating_mul(-4));
    let (low, high) = if far { (low, high) } else { (low.min(0), high.max(0)) };
    let axis = Axis::around(low, high, unit);
    let ending = points.last().map_or(0, |p| text_width(&p.text) + 10);
    let right = WIDE - ending.clamp(12, WIDE / 4);
    let area = Area { left: margin(&axis), right, top: 50, bottom: height - 32 };
    canvas.vertical(&axis, unit, area);
    if far {
        let note = format!("The axis starts at {}, not at zero.", axis.label(axis.low));
        canvas.text("note", "end", (WIDE, 12), &note);
    }
    let times = || points.iter().map(|p| p.at).chain(breaks.iter().map(|b| b.at));
    let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let extent = i128::from(last) - i128::from(first);
    let x = |at: i64| {
        let since = i128::from(at) - i128::from(first);
        area.left + scale(since, extent.max(1), area.right - area.left)
    };
    let (path, broken) = walk(points, breaks, |balance| area.y(&axis, balance), x);
    canvas.path("line", &path);
    canvas.path("gap", &broken);
    marks_above(&mut canvas, breaks, area, &axis, x);
    if let Some(end) = points.last() {
        let at = (x(end.at), area.y(&axis, end.balance));
        let (px, py) = at;
        canvas.path("end", &format!("M{} {py}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0", px - 3));
        canvas.text("value", "start", (px + 8, py + 4), &end.text);
    }
    times_below(&mut canvas, points, area, x);
    canvas.close()
}

/// The line, and apart from it the jumps that no entry explains.
fn walk(points: &[Point], breaks: &[Mark], y: impl Fn(i128) -> i64, x: impl Fn(i64) -> i64) -> (String, String) {
    let mut path = String::new();
    let mut broken = String::new();
    let mut before: Option<i64> = None;
    for point in points {
        let (px, py) = (x(point.at), y(point.balance));
        let mark = breaks.iter().find(|b| b.entry == point.entry);
        match (before, mark) {
            (None, _) => {
                let _ = write!(path, "M{px} {py}");
            }
            (Some(old), Some(mark)) => {
                // The jump that no entry explains is drawn apart from the line.
                let from = mark.expected.map_or(old, &y);
                let to = y(mark.found);
                let _ = write!(path, "H{px}M{px} {to}V{py}");
                let _ = write!(broken, "M{px} {from}V{to}");
            }
            (Some(_), None) => {
                let _ = write!(path, "H{px}V{py}");
            }
        }
        before = Some(py);
    }
    (path, broken)
}

/// A × at each break, and its words above the plot, where no line runs: two rows of them; with
/// more breaks than fit, the words are left to the table.
fn marks_above(canvas: &mut Canvas, breaks: &[Mark], area: Area, axis: &Axis, x: impl Fn(i64) -> i64) {
    let mut taken: [Vec<(i64, i64)>; 2] = [Vec::new(), Vec::new()];
    for mark in breaks {
        let (px, py) = (x(mark.at), area.y(axis, mark.found));
        canvas.cross(if mark.open { "mark" } else { "mark closed" }, (px, py), 5);
        let half = text_width(&mark.label) / 2 + 4;
        let middle = px.min(WIDE - half).max(half);
        let (from, to) = (middle - half, middle + half);
        for (row, y) in taken.iter_mut().zip([40, 26]) {
            if row.iter().all(|(s, e)| to < *s || from > *e) {
                row.push((from, to));
                canvas.line("guide", (px, y + 4), (px, py - 7));
                let class = if mark.open { "mark-label" } else { "mark-label closed" };
                canvas.text(class, "middle", (middle, y), &mark.label);
                break;
            }
        }
    }
}

/// Labels below the axis: each stands at its own point, about seven in all, none touching; the
/// newest is always there.
fn times_below(canvas: &mut Canvas, points: &[Point], area: Area, x: impl Fn(i64) -> i64) {
    let Some((last, earlier)) = points.split_last() else {
        return;
    };
    let place = |point: &Point| {
        let half = text_width(&point.label) / 2;
        let middle = x(point.at).min(WIDE - half).max(half);
        (middle, middle - half, middle + half)
    };
    let mut draw = |point: &Point| {
        let at = x(point.at);
        canvas.line("grid", (at, area.bottom), (at, area.bottom + 4));
        canvas.text("tick", "middle", (place(point).0, area.bottom + 18), &point.label);
    };
    let slot = (area.right - area.left) / 7;
    let (_, end, _) = place(last);
    let mut free = i64::MIN;
    for point in earlier {
        let (middle, from, to) = place(point);
        if from >= free && to + 12 <= end {
            draw(point);
            free = (to + 12).max(middle + slot - (to - middle));
        }
    }
    draw(last);
}
