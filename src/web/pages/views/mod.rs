//! The words every page prints: plain structs of finished text, filled by the page handlers and
//! printed by the templates in `templates/`. Nothing here decides anything.
//!
//! Conventions: money is ready to print (`12,345.67`, true minus; the currency in the cell or the
//! column head), times are in the bank's zone, accounts are masked unless a field says otherwise,
//! links carry opaque references only. `severity` is `low`, `medium`, `high` or `critical`.
//! Fields documented as *trusted markup* are printed unescaped and must come from
//! [`crate::reports::page::charts`] or from a stored article, never from input.

mod accounts;
mod acts;
mod alerts;
mod approvals;
mod breaks;
mod contexts;
mod docs;
mod entry;
mod mail;
mod parts;
mod records;
mod reports;
mod rows;
mod rules;
mod signin;
mod today;
mod trail;
mod travel;
mod users;

pub use accounts::{AccountPage, AccountRow, AccountsPage, ContextRow, HoldersPage, PrivacyForms};
pub use acts::{ActsPage, ActsRow, ReadsRow};
pub use alerts::{AlertPage, AlertsPage, DISPOSITIONS, DecisionForm, DecisionView, DispositionWords, HistoryRow};
pub use approvals::{ApprovalPage, ApprovalsPage, ProposalRow, VerdictForm};
pub use breaks::{BreakPage, ExplainForm};
pub use contexts::{ContextAccountRow, ContextPage};
pub use docs::{ApiBody, ApiGroup, ApiOperation, ApiParameter, ApiResponse, DocsPage, ErrorPage, Words};
pub use entry::{EntryPage, HitRow, ReversalForm, ReversalView, SealedForm};
pub use mail::{LetterRow, MailPage};
pub use parts::{Chip, Choice, Chrome, Empty, FieldError, Flash, NavItem, Pager, UserBadge};
pub use records::{
    ChangeLine, DifferenceView, RecordBreakRow, RecordPage, RecordRow, RecordSealed, RecordsPage, RestoreAtSource, RestoreForm,
    ValueRow, VersionRow,
};
pub use reports::{ReportRow, ReportShowPage, ReportsPage, SignoffForm};
pub use rows::AlertRow;
pub use rules::{RuleLine, RulesPage};
pub use signin::SignInPage;
pub use today::{SourceRow, TodayPage};
pub use trail::{AnchorRow, ErasureRow, TrailEventRow, TrailPage};
pub use travel::{Travel, Versions};
pub use users::{UserRow, UsersPage};

pub use crate::reports::page::{BreakRow, EntryRow, Fact, Figure, Link, SignatureRow, Tag, Tile};
