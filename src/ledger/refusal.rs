//! Why a row was not taken: a stable code, the field, and words that name the next step.

use crate::ids::Seq;

/// A row that was not recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// 400 unreadable, 409 conflict, 422 readable but not acceptable, 503 acceptable later.
    pub status: u16,
    /// Stable, for programs: `currency_mismatch`, `direction_required`, …
    pub code: &'static str,
    /// The field of the contract it is about, if one.
    pub field: Option<String>,
    /// For people.
    pub detail: String,
    /// Of a conflict: the place of the entry that has the reference.
    pub first: Option<Seq>,
}

impl Refusal {
    /// 400: not readable as an entry at all.
    pub fn unreadable(detail: impl Into<String>) -> Refusal {
        Refusal { status: 400, code: "unreadable", field: None, detail: detail.into(), first: None }
    }

    /// 422: readable, but this field cannot be accepted.
    pub fn field(code: &'static str, field: &str, detail: impl Into<String>) -> Refusal {
        Refusal { status: 422, code, field: Some(field.to_owned()), detail: detail.into(), first: None }
    }

    /// 422: readable, but not acceptable, for no single field's sake.
    pub fn whole(code: &'static str, detail: impl Into<String>) -> Refusal {
        Refusal { status: 422, code, field: None, detail: detail.into(), first: None }
    }

    /// 409: the same reference with other content; `first` is the entry that has it.
    pub fn conflict(first: Option<Seq>, detail: impl Into<String>) -> Refusal {
        let field = Some("source_ref".to_owned());
        Refusal { status: 409, code: "source_ref_conflict", field, detail: detail.into(), first }
    }
}
