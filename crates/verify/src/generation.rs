//! Names of a log that went on after a loss: `…/g1`, `…/g2` and so on.
//!
//! The event `log.recovered` is the first leaf under the new name. It names the one before and, where
//! leaves were lost, which: those from its own place to before the size of the last known checkpoint.

use serde_json::Value;

/// The kind of the event.
pub const KIND: &str = "log.recovered";

/// The name without its number, and the number; a name without one is the first.
#[must_use]
pub fn parts(origin: &str) -> (&str, u32) {
    let split = origin.rsplit_once("/g").and_then(|(stem, number)| Some((stem, number.parse().ok()?)));
    split.unwrap_or((origin, 1))
}

/// The name after this one.
#[must_use]
pub fn next(origin: &str) -> String {
    let (stem, number) = parts(origin);
    format!("{stem}/g{}", number + 1)
}

/// Whether a log of the one name may have gone on under the other.
#[must_use]
pub fn precedes(earlier: &str, later: &str) -> bool {
    let (one, two) = (parts(earlier), parts(later));
    one.0 == two.0 && one.1 < two.1
}

/// What the event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The name before.
    pub previous: String,
    /// The name from then on.
    pub origin: String,
    /// Leaves from the one to before the other place were lost, as far as is known.
    pub lost: Option<(u64, u64)>,
}

impl Recovery {
    /// Reads the body of the event.
    #[must_use]
    pub fn parse(body: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(body).ok()?;
        let text = |field: &str| body.get(field)?.as_str().map(str::to_owned);
        let lost = body.get("lost").and_then(|lost| Some((lost.get(0)?.as_u64()?, lost.get(1)?.as_u64()?)));
        Some(Self { previous: text("previous")?, origin: text("origin")?, lost })
    }
}
