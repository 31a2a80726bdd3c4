//! The continuity ribbon: unbroken runs of entries, and where they break.

use super::{Canvas, WIDE, scale, text_width};

/// A piece of the ribbon, in the account's order.
#[derive(Clone, Debug)]
pub enum Segment {
    /// Entries whose balances join without a gap.
    Run {
        /// How many entries.
        entries: u64,
        /// Printed on the run where it fits, such as `412 entries`.
        text: String,
    },
    /// A break between two runs.
    Break {
        /// Whether it is still open; a healed or explained one is drawn as an outline.
        open: bool,
        /// Printed under the mark, such as the entry it was found at.
        text: String,
    },
}

/// The ribbon: runs as long as their share of the entries, breaks as × in a gap.
#[must_use]
pub fn ribbon(title: &str, finding: &str, ends: (&str, &str), segments: &[Segment]) -> String {
    let height = 62;
    let (gap, least) = (30, 6);
    let mut canvas = Canvas::open("ribbon", WIDE, height, title, finding);
    let (mut runs, mut breaks, mut entries) = (0_i64, 0_i64, 0_i128);
    for segment in segments {
        match segment {
            Segment::Run { entries: n, .. } => {
                runs = runs.saturating_add(1);
                entries = entries.saturating_add(i128::from(*n));
            }
            Segment::Break { .. } => breaks = breaks.saturating_add(1),
        }
    }
    // With more breaks than the picture has room for, gaps narrow before runs vanish.
    let gap = (WIDE / 2 / breaks.max(1)).clamp(2, gap);
    let free = WIDE.saturating_sub(gap.saturating_mul(breaks)).saturating_sub(runs * least).max(0);
    let (mut x, mut passed, mut drawn, mut labelled) = (0, 0_i128, 0, i64::MIN);
    for segment in segments {
        match segment {
            Segment::Run { entries: n, text } => {
                passed = passed.saturating_add(i128::from(*n));
                let until = scale(passed, entries.max(1), free);
                let wide = least + until - drawn;
                drawn = until;
                canvas.rect("run", (x, 12), (wide, 20));
                if text_width(text) + 12 < wide {
                    canvas.text("run-label", "middle", (x + wide / 2, 26), text);
                }
                x += wide;
            }
            Segment::Break { open, text } => {
                let middle = x + gap / 2;
                let class = if *open { "mark" } else { "mark closed" };
                canvas.cross(class, (middle, 22), (gap / 4).clamp(1, 6));
                let half = text_width(text) / 2;
                let at = middle.min(WIDE - half).max(half);
                if at - half > labelled {
                    let class = if *open { "mark-label" } else { "tick" };
                    canvas.text(class, "middle", (at, 6 + 3), text);
                    labelled = at + half + 8;
                }
                x += gap;
            }
        }
    }
    canvas.text("tick", "start", (0, 50), ends.0);
    canvas.text("tick", "end", (WIDE, 50), ends.1);
    canvas.close()
}
