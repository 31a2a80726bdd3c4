//! Values that say themselves which record they are.

use crate::change::Record;
use crate::document::{Document, Unfit};

/// A value that is a record: its type, its id, its state. The derive of the same name (feature `derive`) writes this.
pub trait Audited {
    /// The record's type: 1 to 64 of a-z, 0-9, point, hyphen and underscore.
    const TYPE: &'static str;
    /// JSON pointers of values that are sealed.
    const SENSITIVE: &'static [&'static str];

    /// The record's id within its type.
    fn id(&self) -> String;

    /// The fields that are recorded.
    ///
    /// # Errors
    /// When one of them has no JSON, or holds a float.
    fn state(&self) -> Result<Document, Unfit>;

    /// Which record it is.
    fn record(&self) -> Record {
        Record::new(Self::TYPE, self.id())
    }
}
