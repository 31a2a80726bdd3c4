//! Bars: one value per label, from a zero baseline.

use super::{Area, Axis, Canvas, HALF, Unit, margin, scale, text_width};

/// One bar: what it stands for, its value, and the value in words.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The label under or beside the bar.
    pub label: String,
    /// The value, in the smallest unit.
    pub value: i128,
    /// The value in words, printed at the bar where there is room.
    pub text: String,
}

/// Upright bars over a zero baseline; the largest is labelled with its value.
#[must_use]
pub fn bars(title: &str, finding: &str, unit: Unit<'_>, values: &[Bar]) -> String {
    let height = 196;
    let mut canvas = Canvas::open("bars", HALF, height, title, finding);
    let low = values.iter().map(|b| b.value).min().unwrap_or(0).min(0);
    let high = values.iter().map(|b| b.value).max().unwrap_or(0).max(0);
    let axis = Axis::around(low, high, unit);
    let area = Area { left: margin(&axis), right: HALF - 4, top: 28, bottom: height - 24 };
    canvas.vertical(&axis, unit, area);
    let count = i64::try_from(values.len()).unwrap_or(i64::MAX).max(1);
    let width = area.right - area.left;
    let zero = area.y(&axis, 0);
    // A label every so many bars, so that none touch.
    let longest = values.iter().map(|b| text_width(&b.label)).max().unwrap_or(0) + 6;
    let every = (longest.saturating_mul(count) / width.max(1)).saturating_add(1);
    let peak = values.iter().enumerate().max_by_key(|(i, b)| (b.value, usize::MAX - i));
    let mut named: Option<(i64, i64, &str)> = None;
    for (i, bar) in values.iter().enumerate() {
        let n = i64::try_from(i).unwrap_or(0);
        let x0 = area.left + n * width / count;
        let x1 = area.left + (n + 1) * width / count;
        let gap = ((x1 - x0) / 5).clamp(0, 8);
        let y = area.y(&axis, bar.value);
        let (top, tall) = if bar.value >= 0 { (y, zero - y) } else { (zero, y - zero) };
        // A value above nothing is never drawn as nothing.
        let (top, tall) = if bar.value != 0 && tall < 1 { (top - 1, 1) } else { (top, tall) };
        let is_peak = bar.value > 0 && peak.is_some_and(|(at, _)| at == i);
        canvas.rect(if is_peak { "bar peak" } else { "bar" }, (x0 + gap / 2, top), ((x1 - x0 - gap).max(1), tall));
        let middle = i64::midpoint(x0, x1);
        if n % every == 0 {
            canvas.text("tick", "middle", (middle, area.bottom + 16), &bar.label);
        }
        if is_peak {
            named = Some((middle, top - 5, &bar.text));
        }
    }
    if let Some((x, y, text)) = named {
        let half = text_width(text) / 2;
        let x = x.min(area.right - half).max(area.left + half);
        canvas.text("value", "middle", (x, y), text);
    }
    canvas.close()
}

/// Lying bars, one row each, in the order given: label, bar, value.
#[must_use]
pub fn horizontal_bars(title: &str, finding: &str, unit: Unit<'_>, values: &[Bar]) -> String {
    let row = 26;
    let count = i64::try_from(values.len()).unwrap_or(i64::MAX / 64);
    let height = 26 + row * count + 4;
    let mut canvas = Canvas::open("hbars", HALF, height, title, finding);
    let label = values.iter().map(|b| text_width(&b.label)).max().unwrap_or(0).min(HALF / 2) + 12;
    let value = values.iter().map(|b| text_width(&b.text)).max().unwrap_or(0).min(HALF / 3) + 8;
    let span = (HALF - label - value).max(40);
    let most = values.iter().map(|b| b.value).max().unwrap_or(0).max(1);
    canvas.text("axis-name", "start", (label, 12), unit.name);
    for (i, bar) in values.iter().enumerate() {
        let y = 22 + row * i64::try_from(i).unwrap_or(0);
        let mut wide = scale(bar.value.max(0), most, span);
        if bar.value > 0 {
            wide = wide.max(1);
        }
        canvas.text("row", "end", (label - 8, y + 17), &bar.label);
        canvas.rect("bar", (label, y + 5), (wide, row - 10));
        canvas.text("value", "start", (label + wide + 6, y + 17), &bar.text);
    }
    canvas.line("base", (label, 20), (label, 24 + row * count));
    canvas.close()
}
