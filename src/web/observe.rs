//! What the outside may know of requests: the route's template, the status, how long it took.
//! Never a path or a query: those may name a customer.

use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use super::guard::Template;
use super::routes::is_api;

/// Methods as labels: whatever else a stranger sends is one label.
fn method(req: &ServiceRequest) -> &'static str {
    ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .into_iter()
        .find(|m| *m == req.method().as_str())
        .unwrap_or("other")
}

/// Logs and counts one request.
pub async fn observe<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, actix_web::Error> {
    let (began, method) = (Instant::now(), method(&req));
    let answer = next.call(req).await;
    let (route, status) = match &answer {
        Ok(answer) => (answer.request().extensions().get::<Template>().map_or("none", |t| t.0), answer.status()),
        Err(error) => ("none", error.as_response_error().status_code()),
    };
    let took = began.elapsed();
    metrics::counter!("counterfoil_http_requests_total", "method" => method, "route" => route, "status" => status.as_u16().to_string())
        .increment(1);
    metrics::histogram!("counterfoil_http_request_seconds", "route" => route).record(took.as_secs_f64());
    let millis = took.as_micros() as f64 / 1_000.0;
    if status.is_success() && is_api(route) {
        // A program's requests come by the ten thousand a second. What succeeded is counted; a line each
        // would cost more than reading the entry.
        tracing::debug!(target: "counterfoil::http", method, route, status = status.as_u16(), millis, "request");
    } else if status.is_server_error() {
        tracing::warn!(target: "counterfoil::http", method, route, status = status.as_u16(), millis, "request");
    } else {
        tracing::info!(target: "counterfoil::http", method, route, status = status.as_u16(), millis, "request");
    }
    answer
}
