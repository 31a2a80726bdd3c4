//! The interface for programs: entries in, everything out. One file per noun.
//!
//! Every route stands in [`ROUTES`] with its policy and in the OpenAPI document ([`openapi`]), which
//! is made from the handlers themselves; a test holds the two together.
//!
//! Invariants: errors are `problem+json` with a stable code; lists are bounded and paged by key; a
//! key sees nothing of another source, not even that it exists.

mod accounts;
mod acts;
mod alerts;
mod approvals;
mod breaks;
mod changes;
mod entries;
mod entry;
mod feeds;
mod log;
mod receipt;
mod records;
mod reports;
mod rows;
mod rules;
mod users;
mod wire;

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{get, post};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::access::{Permission, Scope};

use super::ops;
use super::problem::Problem;
use super::routes::{Entry, Who};

const READ: Who = Who::Key(Scope::Read);
const APPROVALS: Who = Who::Officer(Permission::ReadApprovals);

/// Every route of the interface.
pub static ROUTES: &[Entry] = &[
    Entry::post("/api/v1/entries", Who::Key(Scope::EntriesWrite), || post().to(entries::create)),
    Entry::post("/api/v1/changes", Who::Key(Scope::ChangesWrite), || post().to(changes::create)),
    Entry::read("/api/v1/records/{type}/{id}", "record", READ, || get().to(records::show)),
    Entry::read("/api/v1/records/{type}/{id}/changes", "record.changes", READ, || get().to(records::changes)),
    Entry::read("/api/v1/records/{type}/{id}/difference", "record.difference", READ, || get().to(records::difference)),
    Entry::read("/api/v1/entries/{seq}", "entry", READ, || get().to(entry::show)),
    Entry::read("/api/v1/accounts/{account}", "account", READ, || get().to(accounts::show)),
    Entry::read("/api/v1/accounts/{account}/entries", "account.entries", READ, || get().to(accounts::entries)),
    Entry::read("/api/v1/accounts/{account}/balance", "account.balance", READ, || get().to(accounts::balance)),
    Entry::read("/api/v1/alerts", "alerts", Who::OfficerOrKey(Permission::ReadCustomers, Scope::Read), || get().to(alerts::list)),
    Entry::read("/api/v1/alerts/{ref}", "alert", Who::OfficerOrKey(Permission::ReadCustomers, Scope::Read), || {
        get().to(alerts::show)
    }),
    Entry::act("/api/v1/alerts/{ref}/disposition", "alert.decide", Who::Officer(Permission::DecideAlerts), || {
        post().to(alerts::decide)
    }),
    Entry::get("/api/v1/reports/users", Who::Officer(Permission::ReadTrail), || get().to(users::show)),
    Entry::read("/api/v1/reports/{business_date}", "report", Who::OfficerOrKey(Permission::ReadReports, Scope::Read), || {
        get().to(reports::show)
    }),
    Entry::get("/api/v1/reports/{business_date}/difference", Who::Officer(Permission::ReadReports), || {
        get().to(reports::difference)
    }),
    Entry::get("/api/v1/rules", Who::Officer(Permission::ReadStatus), || get().to(rules::show)),
    Entry::get("/api/v1/rules/difference", Who::Officer(Permission::ReadStatus), || get().to(rules::difference)),
    Entry::get("/log/checkpoint", Who::Anyone, || get().to(log::checkpoint)),
    Entry::get("/log/rotations", Who::Anyone, || get().to(log::rotations)),
    Entry::read("/log/tile/{tile:.+}", "tile", Who::AnyoneIfPublic(Permission::ReadStatus, Scope::Read), || get().to(log::tile)),
    Entry::read("/api/v1/log/proof/{seq}", "proof", Who::OfficerOrKey(Permission::ReadTrail, Scope::Read), || {
        get().to(log::proof)
    }),
    Entry::read("/api/v1/log/consistency", "consistency", Who::OfficerOrKey(Permission::ReadStatus, Scope::Read), || {
        get().to(log::consistency)
    }),
    Entry::get("/api/v1/approvals", APPROVALS, || get().to(approvals::list)),
    Entry::get("/api/v1/approvals/{id}", APPROVALS, || get().to(approvals::show)),
    Entry::act("/api/v1/breaks/{seq}/{kind}/explanation", "approval.submit", Who::Officer(Permission::Correct), || {
        post().to(breaks::explain)
    }),
    Entry::get("/api/v1/acts", Who::Officer(Permission::ReadActs), || get().to(acts::list)),
    Entry::post("/api/v1/feeds/{source}/close", Who::Key(Scope::TotalsWrite), || post().to(feeds::close)),
];

/// The interface as OpenAPI.
#[derive(OpenApi)]
#[openapi(
    info(title = "Counterfoil", description = "Record every balance change in a log that outsiders can verify.\n\n\
        Send `Authorization: Bearer <key>`; a key belongs to one source. Money is decimal text, times are RFC 3339 with an \
        offset. Sending again is always safe: the same `source_ref` with the same content gives the first receipt.\n\n\
        Errors are `application/problem+json` with a stable `code`. Lists are `{\"items\": […], \"next\": cursor or null}`."),
    paths(
        entries::create, changes::create, records::show, records::changes, records::difference, entry::show, accounts::show,
        accounts::entries, accounts::balance, alerts::list, alerts::show, alerts::decide, approvals::list, approvals::show,
        breaks::explain, acts::list, reports::show, reports::difference, rules::show, rules::difference, users::show, feeds::close, log::checkpoint, log::rotations, log::tile, log::proof, log::consistency, ops::healthz,
        ops::readyz, ops::openapi
    ),
    tags(
        (name = "Entries", description = "Balance changes, recorded and read back."),
        (name = "Records", description = "Changes of every other record, recorded and read back."),
        (name = "Accounts", description = "What was recorded of an account."),
        (name = "Alerts", description = "What asks for an officer's decision."),
        (name = "Approvals", description = "What one proposes and another approves."),
        (name = "Reports", description = "The daily report."),
        (name = "Rules", description = "The rules in force, now and at any instant."),
        (name = "Feeds", description = "Control totals of a source."),
        (name = "Log", description = "Signed checkpoints, tiles and proofs, for those who trust nobody."),
        (name = "Operations", description = "Health, readiness, this document."),
    ),
    modifiers(&Schemes)
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key: `counterfoil key issue`")).build();
        let cookie = ApiKeyValue::with_description("cf_session", "An officer's session; `__Host-cf_session` over TLS");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(key));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The interface as OpenAPI.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The interface as OpenAPI, as JSON text.
pub fn openapi_json() -> String {
    // Plain data without maps whose keys are no text: it always has a JSON text.
    openapi().to_pretty_json().unwrap_or_default()
}

/// Refuses any media type but JSON.
fn require_json(req: &HttpRequest) -> Result<(), Problem> {
    let text = req.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    if text.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(415, "media_type_unknown", "send Content-Type: application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::Method;
    use utoipa::openapi::path::{Operation, PathItem};

    fn operation<'a>(item: &'a PathItem, method: &Method) -> Option<&'a Operation> {
        if *method == Method::GET { item.get.as_ref() } else { item.post.as_ref() }
    }

    #[test]
    fn every_route_is_in_the_document_and_nothing_else() {
        let document = openapi();
        let documented = |entry: &&Entry| !entry.path.starts_with("/assets/");
        let mut count = 0;
        for entry in ROUTES.iter().chain(ops::ROUTES).filter(documented) {
            let item = document.paths.paths.get(&entry.path.replace(":.+}", "}"));
            assert!(item.and_then(|item| operation(item, &entry.method)).is_some(), "{} {}", entry.method, entry.path);
            count += 1;
        }
        let methods = |item: &PathItem| usize::from(item.get.is_some()) + usize::from(item.post.is_some());
        assert_eq!(document.paths.paths.values().map(methods).sum::<usize>(), count);
    }

    #[test]
    fn the_document_says_which_scope_a_key_needs() {
        let json: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap_or_default();
        for entry in ROUTES {
            let method = entry.method.as_str().to_lowercase();
            let said = json["paths"][entry.path.replace(":.+}", "}")][&method]["security"].to_string();
            let (scope, session) = match entry.who {
                Who::Key(scope) => (Some(scope), false),
                Who::OfficerOrKey(_, scope) | Who::AnyoneIfPublic(_, scope) => (Some(scope), true),
                Who::Officer(_) => (None, true),
                Who::Anyone => (None, false),
            };
            assert_eq!(said.contains("\"session\""), session, "{} {said}", entry.path);
            assert!(scope.is_none_or(|scope| said.contains(scope.text())), "{} {said}", entry.path);
        }
    }
}
