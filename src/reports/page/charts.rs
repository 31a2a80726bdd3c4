//! Charts as SVG text: pure functions, integers only, no script and no inline style.
//!
//! Every chart carries a title and a finding in words, labelled axes and a zero baseline; where a
//! baseline is not zero the chart says so on its face. Nothing is shown on hover only: the page
//! prints the same figures as a table beside the chart. Colours come from the style sheet by class.

mod bars;
mod ribbon;
mod steps;

pub use bars::{Bar, bars, horizontal_bars};
pub use ribbon::{Segment, ribbon};
pub use steps::{Mark, Point, steps};

use std::fmt::Write as _;

/// What an axis counts: a name, and how many decimals its integers carry.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// Printed on the axis: `entries`, `USD`.
    pub name: &'a str,
    /// Decimals of the minor unit: 2 for USD, 0 for a count.
    pub decimals: u32,
}

/// The width of the picture of [`ribbon`] and [`steps`].
const WIDE: i64 = 1120;
/// The width of the picture of [`bars`] and [`horizontal_bars`].
const HALF: i64 = 544;

/// Escapes text for SVG content and attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML 1.0 cannot carry other control characters at all.
            c if c.is_control() && c != '\n' && c != '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// An estimate of how wide a label is drawn, in pixels: enough to keep labels apart.
fn text_width(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX / 16).saturating_mul(7)
}

/// `value * span / extent`, rounded down, without overflow: precision that no pixel shows is
/// dropped first.
fn scale(value: i128, extent: i128, span: i64) -> i64 {
    let (mut value, mut extent) = (value, extent);
    while value.checked_mul(i128::from(span)).is_none() {
        value >>= 8;
        extent >>= 8;
    }
    if extent == 0 {
        return 0;
    }
    i64::try_from(value * i128::from(span) / extent).unwrap_or(span)
}

/// A vertical axis: round steps that enclose the values.
struct Axis {
    low: i128,
    high: i128,
    step: i128,
    decimals: u32,
}

impl Axis {
    /// Round steps from `low` to `high`; three to six of them.
    fn around(low: i128, high: i128, unit: Unit<'_>) -> Self {
        let whole = 10_i128.checked_pow(unit.decimals).unwrap_or(1);
        let range = high.saturating_sub(low).max(1);
        let mut step: i128 = if range >= whole.saturating_mul(3) { whole } else { 1 };
        'search: loop {
            for factor in [1, 2, 5] {
                let candidate = step.saturating_mul(factor);
                if range / candidate < 5 || candidate == i128::MAX {
                    step = candidate;
                    break 'search;
                }
            }
            step = step.saturating_mul(10);
        }
        let low = low.div_euclid(step).saturating_mul(step);
        let mut top = high.div_euclid(step).saturating_mul(step);
        if top < high || top <= low {
            top = top.saturating_add(step);
        }
        Self { low, high: top, step, decimals: unit.decimals }
    }

    /// The values that get a grid line, from the bottom up.
    fn ticks(&self) -> Vec<i128> {
        let mut ticks = Vec::new();
        let mut at = self.low;
        while at <= self.high && ticks.len() < 9 {
            ticks.push(at);
            match at.checked_add(self.step) {
                Some(next) => at = next,
                None => break,
            }
        }
        ticks
    }

    /// The word for the magnitude of the labels, and what to divide by.
    fn magnitude(&self) -> (&'static str, i128) {
        let whole = 10_i128.checked_pow(self.decimals).unwrap_or(1);
        let top = self.high.saturating_abs().max(self.low.saturating_abs());
        let words = [(", bn", 1_000_000_000), (", million", 1_000_000), (", thousand", 1_000)];
        for (word, size) in words {
            let by = whole.saturating_mul(size);
            let enough = by.saturating_mul(if size == 1_000 { 100 } else { 2 });
            if top >= enough && self.step % (by / 10) == 0 {
                return (word, by);
            }
        }
        ("", whole)
    }

    /// A tick in words, at the axis' magnitude.
    fn label(&self, value: i128) -> String {
        let (_, by) = self.magnitude();
        let sign = if value < 0 { "\u{2212}" } else { "" };
        let value = value.saturating_abs();
        let whole = grouped(value / by);
        let rest = value % by;
        if self.low % by == 0 && self.step % by == 0 {
            return format!("{sign}{whole}");
        }
        let digits = usize::try_from(by.ilog10()).unwrap_or(0);
        let scaled = !self.magnitude().0.is_empty();
        let kept = if scaled && self.step % (by / 10).max(1) == 0 { 1 } else { digits };
        let rest = format!("{rest:0digits$}");
        format!("{sign}{whole}.{}", rest.get(..kept).unwrap_or(&rest))
    }
}

/// Thousands separated by commas.
fn grouped(value: i128) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A picture under construction.
struct Canvas {
    out: String,
}

impl Canvas {
    /// Opens the picture with its name and its finding for whoever does not see it.
    fn open(class: &str, width: i64, height: i64, title: &str, finding: &str) -> Self {
        // Two charts of one page must not share ids; the number carries no meaning, so it is
        // derived from the words themselves and stays the same for the same chart.
        let id = fingerprint(&[class, title, finding]);
        let mut out = String::with_capacity(4096);
        let _ = write!(
            out,
            "<svg class=\"chart {class}\" role=\"img\" aria-labelledby=\"t{id} d{id}\" \
             viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             xmlns=\"http://www.w3.org/2000/svg\"><title id=\"t{id}\">{}</title>\
             <desc id=\"d{id}\">{}</desc>",
            escape(title),
            escape(finding)
        );
        Self { out }
    }

    fn line(&mut self, class: &str, from: (i64, i64), to: (i64, i64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = write!(self.out, "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>");
    }

    fn rect(&mut self, class: &str, at: (i64, i64), size: (i64, i64)) {
        let ((x, y), (w, h)) = (at, size);
        let _ = write!(self.out, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>");
    }

    fn path(&mut self, class: &str, d: &str) {
        let _ = write!(self.out, "<path class=\"{class}\" d=\"{d}\"/>");
    }

    /// A × of half-width `r`.
    fn cross(&mut self, class: &str, at: (i64, i64), r: i64) {
        let (x, y) = at;
        let d = r * 2;
        self.path(class, &format!("M{} {}l{d} {d}m0 -{d}l-{d} {d}", x - r, y - r));
    }

    /// Text; `anchor` is `start`, `middle` or `end`.
    fn text(&mut self, class: &str, anchor: &str, at: (i64, i64), text: &str) {
        let (x, y) = at;
        let _ = write!(self.out, "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"{y}\">{}</text>", escape(text));
    }

    /// Grid lines, tick labels and the unit of a vertical axis.
    fn vertical(&mut self, axis: &Axis, unit: Unit<'_>, area: Area) {
        let (word, _) = axis.magnitude();
        self.text("axis-name", "start", (0, 12), &format!("{}{word}", unit.name));
        for tick in axis.ticks() {
            let y = area.y(axis, tick);
            let class = if tick == 0 { "base" } else { "grid" };
            self.line(class, (area.left, y), (area.right, y));
            self.text("tick", "end", (area.left - 8, y + 4), &axis.label(tick));
        }
    }

    fn close(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }
}

/// Where the values are drawn.
#[derive(Clone, Copy)]
struct Area {
    left: i64,
    right: i64,
    top: i64,
    bottom: i64,
}

impl Area {
    fn y(self, axis: &Axis, value: i128) -> i64 {
        let extent = axis.high.saturating_sub(axis.low);
        self.bottom - scale(value.saturating_sub(axis.low), extent, self.bottom - self.top)
    }
}

/// The left margin that the longest tick label needs.
fn margin(axis: &Axis) -> i64 {
    axis.ticks().iter().map(|t| text_width(&axis.label(*t))).max().unwrap_or(0).max(20) + 12
}

/// FNV-1a over the words, as hex: a short id that is stable for the same chart.
fn fingerprint(words: &[&str]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in words.iter().flat_map(|w| w.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests;
