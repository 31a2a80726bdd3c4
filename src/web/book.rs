//! Several books behind one listener: those beside `main` answer under `/b/NAME`, with the same pages and interface.
//!
//! Pages and redirects are written as if each book stood at `/`; on the way out, here and nowhere else, their addresses get
//! the book's prefix. What is stored and signed (frozen reports, log files) leaves untouched: a report's addresses have the
//! prefix since it was frozen.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::app::App;
use crate::reports::page::addresses::{NAMED, within};

use super::routes::is_api;

/// The main book by its name.
pub(super) const MAIN_ROOT: &str = "/b/main";

/// A path without the prefix of its book.
pub(super) fn path<'a>(root: &str, path: &'a str) -> &'a str {
    let root = if root.is_empty() { MAIN_ROOT } else { root };
    match path.strip_prefix(root) {
        Some("") => "/",
        Some(inner) if inner.starts_with('/') => inner,
        _ => path,
    }
}

/// The prefix of the book that a request is for; empty for `main`.
pub(super) fn root(req: &HttpRequest) -> String {
    req.app_data::<Data<App>>().map(|app| app.config.root()).unwrap_or_default()
}

/// Whether a request is one of programs: [`is_api`] of its path inside its book.
pub(super) fn for_programs(req: &HttpRequest) -> bool {
    is_api(path(&root(req), req.path()))
}

/// From the address of a book without its last slash to the book.
pub(super) async fn to_book(req: HttpRequest) -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, format!("{}/", root(&req)))).finish()
}

/// Puts the book's prefix before the addresses of an answer.
pub(super) async fn prefix(req: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let root = root(req.request());
    let mut answer = next.call(req).await?;
    if let Some(moved) = answer.headers().get(LOCATION).and_then(|to| moved(&root, to)) {
        answer.headers_mut().insert(LOCATION, moved);
    }
    if !is_page(answer.headers()) || for_programs(answer.request()) {
        return Ok(answer);
    }
    Ok(answer.map_body(|_, body| match body.try_into_bytes() {
        Ok(html) => match std::str::from_utf8(&html) {
            Ok(text) => BoxBody::new(within(&root, text)),
            Err(_) => BoxBody::new(html),
        },
        Err(body) => body,
    }))
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

fn moved(root: &str, to: &HeaderValue) -> Option<HeaderValue> {
    let to = to.to_str().ok()?;
    let inside = to.starts_with('/') && !to.starts_with("//") && !to[1..].starts_with(NAMED);
    if inside { HeaderValue::from_str(&format!("{root}{to}")).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_inside_a_book_loses_its_prefix_and_only_that() {
        assert_eq!(path("", "/alerts"), "/alerts");
        assert_eq!(path("", "/b/main/alerts"), "/alerts");
        assert_eq!(path("/b/s", "/b/s/alerts"), "/alerts");
        assert_eq!(path("/b/s", "/b/s"), "/");
        assert_eq!(path("/b/s", "/b/st/alerts"), "/b/st/alerts");
    }

    #[test]
    fn redirects_stay_inside_the_book() {
        let to =
            |text: &'static str| moved("/b/s", &HeaderValue::from_static(text)).map(|to| to.to_str().unwrap_or("").to_owned());
        assert_eq!(to("/sign-in?next=/alerts").as_deref(), Some("/b/s/sign-in?next=/alerts"));
        assert_eq!(to("https://elsewhere.example/"), None);
        assert_eq!(to("//elsewhere.example/"), None);
        assert_eq!(to("/b/s/"), None);
    }
}
