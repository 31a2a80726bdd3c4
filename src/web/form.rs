//! What a form must bring to be ours: its token, and the browser's own word on where it comes from.

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::UrlencodedError;
use actix_web::http::header::{CONTENT_TYPE, HOST, HeaderMap, ORIGIN};
use actix_web::web::{BytesMut, Query};
use futures_util::StreamExt;

use crate::app::App;

use super::patience;
use super::problem::Problem;

/// The largest form of a page.
pub(super) const FORM_MAX: usize = 64 * 1024;

/// The token of the form, from header `x-csrf-token` or from the form's field `csrf`. The form is
/// put back for the handler.
pub(super) async fn token(req: &mut ServiceRequest) -> Result<Option<String>, Problem> {
    if let Some(header) = req.headers().get("x-csrf-token") {
        return Ok(header.to_str().ok().map(str::to_owned));
    }
    let form = "application/x-www-form-urlencoded";
    let is_form = req.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|t| t.starts_with(form));
    if !is_form {
        return Ok(None);
    }
    let mut payload = req.take_payload();
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| patience::problem(&error))?;
        if body.len() + piece.len() > FORM_MAX {
            return Err(Problem::too_large("the form is larger than any of ours"));
        }
        body.extend_from_slice(&piece);
    }
    let body = body.freeze();
    let fields = std::str::from_utf8(&body).ok().and_then(|text| Query::<Vec<(String, String)>>::from_query(text).ok());
    let token = fields.and_then(|fields| fields.into_inner().into_iter().find(|(name, _)| name == "csrf"));
    req.set_payload(Payload::from(body));
    Ok(token.map(|(_, value)| value))
}

/// Whether the browser says that the request comes from our own pages; browsers too old to say so
/// are left to the form's token.
pub(super) fn same_origin(app: &App, headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?").to_owned());
    if let Some(site) = text("sec-fetch-site") {
        return if matches!(site.as_str(), "same-origin" | "none") { Ok(()) } else { Err("cross_site") };
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return Ok(()) };
    let ours = app.config.origin();
    let host = text(HOST.as_str()).unwrap_or_default();
    let here = origin.split_once("://").is_some_and(|(_, of)| !host.is_empty() && of.eq_ignore_ascii_case(&host));
    if here || origin.eq_ignore_ascii_case(&ours) { Ok(()) } else { Err("cross_site") }
}

/// What to answer when a form cannot be read.
pub(super) fn problem(error: &UrlencodedError) -> Problem {
    match error {
        UrlencodedError::Payload(error) => patience::problem(error),
        UrlencodedError::Overflow { .. } => Problem::too_large("the form is larger than any of ours"),
        _ => {
            Problem::new(400, "form_unreadable", "the form holds something this page does not understand; go back and correct it")
        }
    }
}
