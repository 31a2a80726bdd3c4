//! How far a long command is.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts leaves; its length is set once it is known.
pub(super) fn leaves() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} leaves, {eta} left") {
        bar.set_style(style);
    }
    bar
}
