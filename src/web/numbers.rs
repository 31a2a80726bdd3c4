//! `/metrics` in Prometheus' text format, on a listener of its own that is not for the world.

use std::sync::OnceLock;
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{HttpResponse, rt};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::app::{App, Books};
use crate::capture;
use crate::clock::SECOND;
use crate::db::DbResult;
use crate::forward;
use crate::notify::store as outbox;

use super::problem::Problem;

/// Seconds; the upper bounds of the histogram's buckets.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// How often counted values are put into their buckets; until then they wait in memory.
const UPKEEP: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count, once per process; `None` when something else counts already.
pub fn install() -> Option<PrometheusHandle> {
    RECORDER.get_or_init(recorder).clone()
}

fn recorder() -> Option<PrometheusHandle> {
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS).ok()?.install_recorder().ok()?;
    metrics::describe_counter!("counterfoil_http_requests_total", "Requests by route template, method and status.");
    metrics::describe_histogram!("counterfoil_http_request_seconds", "Seconds until a request's answer began.");
    metrics::describe_counter!("counterfoil_entries_recorded_total", "Entries recorded by this process, by the way they came.");
    metrics::describe_gauge!("counterfoil_queue_entries", "Entries that wait for the sequencer.");
    metrics::describe_gauge!("counterfoil_log_leaves", "Leaves in the log: entries and events.");
    metrics::describe_gauge!("counterfoil_outbox_rows", "Mail owed, by state.");
    metrics::describe_gauge!("counterfoil_accounts_held", "Accounts whose state is in memory.");
    metrics::describe_gauge!("counterfoil_accounts_held_max", "How many may be: limits.accounts_cached.");
    metrics::describe_gauge!("counterfoil_accounts_followed", "Accounts whose newest entry is remembered for reading.");
    metrics::describe_gauge!("counterfoil_forward_behind", "Signed leaves that a receiver has not confirmed, by its name.");
    metrics::describe_gauge!("counterfoil_forward_failures", "Attempts in a row that a receiver did not confirm, by its name.");
    metrics::describe_gauge!(
        "counterfoil_capture_waiting",
        "Captured rows that wait in the bank's database, by the capture's name."
    );
    metrics::describe_gauge!("counterfoil_capture_lag_seconds", "Age of the oldest of them, by the capture's name.");
    metrics::describe_gauge!("counterfoil_capture_refused", "Captured rows that the log refused, by the capture's name.");
    metrics::describe_gauge!("counterfoil_capture_failing", "1 while a capture cannot be drained, by its name.");
    Some(handle)
}

/// Puts counted values into their buckets from time to time, so that they never pile up.
pub async fn upkeep(handle: PrometheusHandle) {
    loop {
        rt::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}

/// `GET /metrics`
pub async fn show(books: Data<Books>, handle: Data<PrometheusHandle>) -> Result<HttpResponse, Problem> {
    let measured = books.clone();
    web::block(move || measured.all().try_for_each(measure)).await??;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(handle.render()))
}

/// Reads what is counted of a book by looking rather than by happening.
fn measure(app: &App) -> DbResult<()> {
    let book = app.config.book_name().to_owned();
    let set = |name: &'static str, value: f64| metrics::gauge!(name, "book" => book.clone()).set(value);
    let leading = app.intake().ok();
    set("counterfoil_leading", if leading.is_some() { 1.0 } else { 0.0 });
    if let Some(intake) = leading {
        set("counterfoil_queue_entries", intake.waiting() as f64);
        set("counterfoil_log_leaves", intake.size() as f64);
        set("counterfoil_accounts_held", intake.accounts_held() as f64);
        set("counterfoil_accounts_held_max", app.config.limits.accounts_cached as f64);
    }
    set("counterfoil_accounts_followed", app.newest.accounts() as f64);
    for forward in app.db.read(|conn| forward::standings(conn, &app.config.forward))? {
        let failures = forward.row.map_or(0, |row| row.failures);
        let of = |name: &'static str| metrics::gauge!(name, "book" => book.clone(), "name" => forward.name.clone());
        of("counterfoil_forward_behind").set(forward.behind as f64);
        of("counterfoil_forward_failures").set(failures as f64);
    }
    captures(app);
    let owed = app.db.read(outbox::summary)?;
    for (state, rows) in [("pending", owed.pending), ("sent", owed.sent), ("dead", owed.dead)] {
        metrics::gauge!("counterfoil_outbox_rows", "book" => book.clone(), "state" => state).set(rows as f64);
    }
    Ok(())
}

fn captures(app: &App) {
    let (now, book) = (app.clock.now(), app.config.book_name().to_owned());
    for standing in capture::standings(&book) {
        let lag = standing.oldest_at.map_or(0, |at| (now.0 - at.0).max(0) / SECOND);
        let of = |name: &'static str| metrics::gauge!(name, "book" => book.clone(), "name" => standing.name.clone());
        of("counterfoil_capture_waiting").set(standing.waiting as f64);
        of("counterfoil_capture_lag_seconds").set(lag as f64);
        of("counterfoil_capture_refused").set(standing.rejected as f64);
        of("counterfoil_capture_failing").set(f64::from(u8::from(standing.failing_since.is_some())));
    }
}
