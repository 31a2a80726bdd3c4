//! A guard around a value: captured before and after, its difference recorded.

use std::ops::{Deref, DerefMut};
use std::time::SystemTime;

use serde::Serialize;

use crate::audited::Audited;
use crate::change::{Change, Class, Record};
use crate::document::{Document, Unfit};
use crate::error::Error;
use crate::recorder::{Lost, Recorded, Recorder};
use crate::time::{fresh_ref, rfc3339};
use crate::who::Who;

/// Watches a value while it is changed, and records what differs.
///
/// It is used like the value itself. [`Guard::finish`] records the difference and says how it went. A guard that goes
/// out of scope records it too; what cannot be recorded then is told to [`Recorder::lost`], as is a change whose thread
/// panicked before it was finished.
pub struct Guard<'a, T> {
    value: &'a mut T,
    state: fn(&T) -> Result<Document, Unfit>,
    before: Document,
    recorder: &'a dyn Recorder,
    about: About,
    done: bool,
}

/// What is said of the change besides its fields.
struct About {
    source_ref: String,
    record: Record,
    who: Who,
    reason: Option<String>,
    changed_at: Option<String>,
    class: Option<Class>,
    sensitive: Vec<String>,
}

impl About {
    fn put_on(&self, mut change: Change) -> Change {
        change.changed_at = Some(self.changed_at.clone().unwrap_or_else(|| rfc3339(SystemTime::now())));
        change.who = self.who.clone();
        change.reason = self.reason.clone();
        change.class = self.class;
        change.sensitive = self.sensitive.clone();
        change
    }
}

impl<'a, T: Audited> Guard<'a, T> {
    /// Watches a value that says itself which record it is.
    ///
    /// # Errors
    /// When its state has no JSON, or holds a float.
    pub fn new(recorder: &'a dyn Recorder, value: &'a mut T) -> Result<Guard<'a, T>, Error> {
        let (before, record) = (value.state()?, value.record());
        let sensitive = T::SENSITIVE.iter().map(|path| (*path).to_owned()).collect();
        Guard::start(recorder, value, T::state, before, record, sensitive)
    }
}

impl<'a, T: Serialize> Guard<'a, T> {
    /// Watches any value that serializes to an object, as this record.
    ///
    /// # Errors
    /// When it does not, or holds a float.
    pub fn of(recorder: &'a dyn Recorder, record: Record, value: &'a mut T) -> Result<Guard<'a, T>, Error> {
        let before = Document::of(value)?;
        Guard::start(recorder, value, Document::of, before, record, Vec::new())
    }
}

impl<'a, T> Guard<'a, T> {
    fn start(
        recorder: &'a dyn Recorder,
        value: &'a mut T,
        state: fn(&T) -> Result<Document, Unfit>,
        before: Document,
        record: Record,
        sensitive: Vec<String>,
    ) -> Result<Guard<'a, T>, Error> {
        let (source_ref, who) = (fresh_ref()?, Who::default());
        let about = About { source_ref, record, who, reason: None, changed_at: None, class: None, sensitive };
        Ok(Guard { value, state, before, recorder, about, done: false })
    }

    /// Who changes it, and whence.
    pub fn by(mut self, who: Who) -> Guard<'a, T> {
        self.about.who = who;
        self
    }

    /// Why.
    pub fn because(mut self, reason: impl Into<String>) -> Guard<'a, T> {
        self.about.reason = Some(reason.into());
        self
    }

    /// When, as [`crate::rfc3339`] writes it, instead of the moment at which the guard ends.
    pub fn at(mut self, changed_at: impl Into<String>) -> Guard<'a, T> {
        self.about.changed_at = Some(changed_at.into());
        self
    }

    /// Under a reference of yours instead of a fresh one.
    pub fn source_ref(mut self, source_ref: impl Into<String>) -> Guard<'a, T> {
        self.about.source_ref = source_ref.into();
        self
    }

    /// Keeps the values at least this long.
    pub fn class(mut self, class: Class) -> Guard<'a, T> {
        self.about.class = Some(class);
        self
    }

    /// Seals the values at these JSON pointers too.
    pub fn sensitive(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Guard<'a, T> {
        self.about.sensitive.extend(paths.into_iter().map(Into::into));
        self
    }

    /// The change by now; `None`: nothing differs.
    ///
    /// # Errors
    /// When the state has no JSON any more, or holds a float.
    pub fn difference(&self) -> Result<Option<Change>, Error> {
        let after = (self.state)(self.value)?;
        let change = Change::between(&self.about.source_ref, self.about.record.clone(), &self.before, &after);
        Ok(change.map(|change| self.about.put_on(change)))
    }

    /// Ends the guard and hands over the change instead of recording it, for example to store it in the same
    /// transaction; `None`: nothing differs.
    ///
    /// # Errors
    /// As [`Guard::difference`].
    pub fn into_change(mut self) -> Result<Option<Change>, Error> {
        self.done = true;
        self.difference()
    }

    /// Records what differs; `None`: nothing did, and nothing was recorded.
    ///
    /// # Errors
    /// When it is neither in the log nor kept to be sent.
    pub fn finish(mut self) -> Result<Option<Recorded>, Error> {
        self.done = true;
        self.record()
    }

    /// Ends the guard and records nothing, for example because the change was rolled back.
    pub fn cancel(mut self) {
        self.done = true;
    }

    fn record(&self) -> Result<Option<Recorded>, Error> {
        self.difference()?.map(|change| self.recorder.record_change(&change)).transpose()
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let recorded = match std::thread::panicking() {
            true => Err(Error::Abandoned(self.about.record.kind.clone())),
            false => self.record(),
        };
        if let Err(error) = recorded {
            let (source_ref, kind) = (self.about.source_ref.clone(), self.about.record.kind.clone());
            self.recorder.lost(&Lost { source_ref, kind, error });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Mutex;

    use serde::Serialize;
    use serde_json::json;

    use super::*;
    use crate::answer::Outcome;
    use crate::entry::Entry;

    /// Keeps what it is given, or refuses all of it.
    #[derive(Default)]
    struct Kept {
        away: bool,
        changes: Mutex<Vec<Change>>,
        lost: Mutex<Vec<String>>,
    }

    impl Recorder for Kept {
        fn record_entry(&self, _: &Entry) -> Result<Recorded, Error> {
            Ok(Recorded::Waiting)
        }

        fn record_change(&self, change: &Change) -> Result<Recorded, Error> {
            if self.away {
                return Err(Error::unavailable("nobody there"));
            }
            self.changes.lock().unwrap().push(change.clone());
            Ok(Recorded::Answered(Outcome::Unchanged(None)))
        }

        fn lost(&self, lost: &Lost) {
            self.lost.lock().unwrap().push(lost.to_string());
        }
    }

    #[derive(Clone, Serialize)]
    struct Customer {
        name: &'static str,
        limit: u32,
    }

    const ANN: Customer = Customer { name: "Ann", limit: 100 };

    fn record() -> Record {
        Record::new("customer", "C-1")
    }

    #[test]
    fn finishing_records_what_differs_with_who_and_why() {
        let (kept, mut ann) = (Kept::default(), ANN);
        let guard = Guard::of(&kept, record(), &mut ann).unwrap();
        let mut guard = guard.by(Who::actor("john_doe").session("s-1").ip("192.0.2.7")).because("by letter").source_ref("CH-1");
        guard.limit = 250;
        assert_eq!(guard.name, "Ann");
        assert!(guard.finish().unwrap().is_some());
        let changes = kept.changes.lock().unwrap();
        let mut json = serde_json::to_value(&changes[0]).unwrap();
        assert!(json.as_object_mut().unwrap().remove("changed_at").is_some(), "when it was changed, not when it arrives");
        let expected = json!({ "source_ref": "CH-1", "type": "customer", "id": "C-1", "action": "update",
            "before": { "name": "Ann", "limit": 100 }, "after": { "name": "Ann", "limit": 250 },
            "actor": "john_doe", "session_id": "s-1", "ip": "192.0.2.7", "reason": "by letter" });
        assert_eq!(json, expected);
        assert_eq!(ann.limit, 250);
    }

    #[test]
    fn going_out_of_scope_records_too_and_what_does_not_differ_is_no_change() {
        let (kept, mut ann) = (Kept::default(), ANN);
        Guard::of(&kept, record(), &mut ann).unwrap().limit = 7;
        drop(Guard::of(&kept, record(), &mut ann).unwrap());
        assert!(Guard::of(&kept, record(), &mut ann).unwrap().finish().unwrap().is_none());
        let mut cancelled = Guard::of(&kept, record(), &mut ann).unwrap();
        cancelled.limit = 8;
        cancelled.cancel();
        let mut handed = Guard::of(&kept, record(), &mut ann).unwrap();
        handed.limit = 9;
        assert_eq!(handed.into_change().unwrap().unwrap().before().unwrap()["limit"], 8);
        assert_eq!(kept.changes.lock().unwrap().len(), 1);
        assert!(kept.lost.lock().unwrap().is_empty());
    }

    #[test]
    fn what_nobody_can_be_told_by_a_result_is_told_as_lost() {
        let (away, mut ann) = (Kept { away: true, ..Kept::default() }, ANN);
        Guard::of(&away, record(), &mut ann).unwrap().limit = 7;
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut guard = Guard::of(&away, record(), &mut ann).unwrap();
            guard.limit = 8;
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        let lost = away.lost.lock().unwrap();
        assert!(lost[0].contains("nobody there") && lost[1].contains("panicked"), "{lost:?}");
        assert!(!lost.iter().any(|words| words.contains("C-1")), "no id: this goes to a log");
    }
}
