//! The pages that officers use in a browser: one file per noun, each with its handlers.
//!
//! A handler asks its [`desk::Desk`], which knows who is signed in, runs database work on a blocking
//! thread and prints the page inside the site's frame; what goes wrong on the way becomes a page
//! with a reference ([`errors`]). Handlers turn domain types into the finished text of [`views`];
//! they decide nothing that the rooms below have not decided.
//!
//! Invariants: a `GET` changes nothing but the log's record of who looked; every change is a form
//! with the session's token; no address holds anything personal, only references and the numbers of
//! defining events; who may use a route stands in [`ROUTES`] and is checked before any handler.
//!
//! Not here: the guard, cookies' checking, headers (`web`), the article of a report
//! (`reports::page`).

mod account;
mod accounts;
mod acts;
mod alert;
mod alerts;
mod approval;
mod approvals;
mod breaks;
mod checkpoints;
mod contexts;
mod cookies;
mod desk;
mod docs;
mod entry;
mod errors;
mod fill;
mod holders;
mod mail;
mod origins;
mod privacy;
mod private;
mod record;
mod records;
mod reports;
mod reversal;
mod rules;
mod sign_in;
mod today;
mod trail;
mod travel;
pub(super) mod users;
pub mod views;

use actix_web::web::{get, post};

use crate::access::Permission;

use super::routes::{Entry, Who};

pub(in crate::web) use acts::read_between;
pub use cookies::session_cookie_name;
pub use errors::error;
pub(in crate::web) use travel::end_at;

const STATUS: Who = Who::Officer(Permission::ReadStatus);
const CUSTOMERS: Who = Who::Officer(Permission::ReadCustomers);
const APPROVALS: Who = Who::Officer(Permission::ReadApprovals);
const PRIVACY: Who = Who::Officer(Permission::KeepPrivacy);
const HANDLE_MAIL: Who = Who::Officer(Permission::HandleMail);
const REPORTS: Who = Who::Officer(Permission::ReadReports);

/// Every page and form.
pub static ROUTES: &[Entry] = &[
    Entry::get("/sign-in", Who::Anyone, || get().to(sign_in::form)),
    Entry::post("/sign-in", Who::Anyone, || post().to(sign_in::enter)),
    Entry::act("/sign-out", "session.close", STATUS, || post().to(sign_in::leave)),
    Entry::get("/", STATUS, || get().to(today::show)),
    Entry::get("/alerts", CUSTOMERS, || get().to(alerts::list)),
    Entry::get("/alerts/{reference}", CUSTOMERS, || get().to(alert::show)),
    Entry::act("/alerts/{reference}/disposition", "alert.decide", Who::Officer(Permission::DecideAlerts), || {
        post().to(alert::decide)
    }),
    Entry::get("/accounts", CUSTOMERS, || get().to(accounts::form)),
    Entry::asks("/accounts", CUSTOMERS, || post().to(accounts::search)),
    Entry::get("/search/{id}", CUSTOMERS, || get().to(accounts::found)),
    Entry::get("/accounts/{id}", CUSTOMERS, || get().to(account::show)),
    Entry::get("/accounts/{id}/heads-proof", CUSTOMERS, || get().to(account::proof::download)),
    Entry::act("/accounts/{id}/erasure", "subject.erase", PRIVACY, || post().to(privacy::erase)),
    Entry::act("/accounts/{id}/hold", "hold.place", PRIVACY, || post().to(privacy::hold)),
    Entry::act("/accounts/{id}/hold/release", "hold.release", PRIVACY, || post().to(privacy::release)),
    Entry::get("/holders", PRIVACY, || get().to(holders::show)),
    Entry::act("/holders/erasure", "subject.erase", PRIVACY, || post().to(holders::erase)),
    Entry::act("/holders/hold", "hold.place", PRIVACY, || post().to(holders::hold)),
    Entry::get("/entries/{seq}", CUSTOMERS, || get().to(entry::show)),
    Entry::act("/entries/{seq}/reveal", "entry.reveal", Who::Officer(Permission::Reveal), || post().to(entry::reveal)),
    Entry::get("/breaks/{seq}/{kind}", CUSTOMERS, || get().to(breaks::show)),
    Entry::act("/breaks/{seq}/{kind}/explanation", "approval.submit", Who::Officer(Permission::Correct), || {
        post().to(breaks::propose)
    }),
    Entry::act("/entries/{seq}/reversal", "approval.submit", Who::Officer(Permission::Correct), || post().to(reversal::propose)),
    Entry::get("/contexts/{id}/session", CUSTOMERS, || get().to(contexts::session)),
    Entry::get("/contexts/{id}/ip", CUSTOMERS, || get().to(contexts::ip)),
    Entry::get("/records", CUSTOMERS, || get().to(records::form)),
    Entry::asks("/records", CUSTOMERS, || post().to(records::search)),
    Entry::get("/records/found/{id}", CUSTOMERS, || get().to(records::found)),
    Entry::get("/records/{id}", CUSTOMERS, || get().to(record::show)),
    Entry::act("/records/{id}/restore", "approval.submit", Who::Officer(Permission::Correct), || post().to(record::restore)),
    Entry::act("/records/{id}/reveal", "record.reveal", Who::Officer(Permission::Reveal), || post().to(record::reveal)),
    Entry::get("/reports", REPORTS, || get().to(reports::list)),
    Entry::get("/reports/users", Who::Officer(Permission::ReadTrail), || get().to(users::show)),
    Entry::get("/reports/{date}", REPORTS, || get().to(reports::show)),
    Entry::get("/approvals", APPROVALS, || get().to(approvals::list)),
    Entry::get("/approvals/{id}", APPROVALS, || get().to(approval::show)),
    Entry::act("/approvals/{id}/decision", "approval.decide", Who::Officer(Permission::Approve), || post().to(approval::decide)),
    Entry::act("/approvals/{id}/withdrawal", "approval.withdraw", Who::Officer(Permission::Propose), || {
        post().to(approval::withdraw)
    }),
    Entry::get("/rules", STATUS, || get().to(rules::show)),
    Entry::get("/trail", STATUS, || get().to(trail::show)),
    Entry::get("/trail/acts", Who::Officer(Permission::ReadActs), || get().to(acts::show)),
    Entry::get("/trail/mail", Who::Officer(Permission::ReadActs), || get().to(mail::list)),
    Entry::act("/trail/mail/resend", "mail.resend", HANDLE_MAIL, || post().to(mail::resend)),
    Entry::act("/trail/mail/acknowledge", "mail.acknowledge", HANDLE_MAIL, || post().to(mail::acknowledge)),
    Entry::act("/trail/checkpoints", "anchor.bring_back", Who::Officer(Permission::ReadTrail), || {
        post().to(checkpoints::bring_back)
    }),
    Entry::get("/docs", Who::Anyone, || get().to(docs::show)),
];
