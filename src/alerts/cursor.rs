//! The order of the queue, and where a page of it ended.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ids::Seq;

use super::store::AlertRow;

/// Longest text of a cursor.
const CURSOR_CHARS: usize = 64;

/// In which order alerts are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The gravest first, of these the newest.
    Gravest,
}

/// Where a page ended. Its text is opaque; it fits only the order it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// In order of age.
    Newest {
        /// The last alert shown.
        id: Seq,
    },
    /// In order of gravity.
    Gravest {
        /// The severity of the last alert shown.
        severity: i16,
        /// The last alert shown.
        id: Seq,
    },
}

impl Cursor {
    /// Reads a cursor of this order; `None` for anything else.
    pub fn parse(order: Order, text: &str) -> Option<Cursor> {
        if text.len() > CURSOR_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        match order {
            Order::Newest => Some(Cursor::Newest { id: text.strip_prefix('n')?.parse().ok()? }),
            Order::Gravest => {
                let (severity, id) = text.strip_prefix('g')?.split_once('.')?;
                Some(Cursor::Gravest { severity: severity.parse().ok()?, id: id.parse().ok()? })
            }
        }
    }

    pub(super) fn after(order: Order, row: &AlertRow) -> Cursor {
        match order {
            Order::Newest => Cursor::Newest { id: row.id },
            Order::Gravest => Cursor::Gravest { severity: row.severity, id: row.id },
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plain = match self {
            Cursor::Newest { id } => format!("n{id}"),
            Cursor::Gravest { severity, id } => format!("g{severity}.{id}"),
        };
        f.write_str(&URL_SAFE_NO_PAD.encode(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_in_its_own_order_only() {
        let newest = Cursor::Newest { id: 42 };
        let gravest = Cursor::Gravest { severity: 3, id: 42 };
        assert_eq!(Cursor::parse(Order::Newest, &newest.to_string()), Some(newest));
        assert_eq!(Cursor::parse(Order::Gravest, &gravest.to_string()), Some(gravest));
        assert_eq!(Cursor::parse(Order::Gravest, &newest.to_string()), None);
        for wrong in ["", "n42", "%%", &"A".repeat(65)] {
            assert_eq!(Cursor::parse(Order::Newest, wrong), None, "{wrong}");
        }
    }
}
