//! Signing in and out.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use crate::access::{Door, SignInError, sessions};

use super::cookies::{self, Done};
use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::views::SignInPage;

/// Longest path to return to; what is longer was not made by this site.
const NEXT_MAX: usize = 512;

/// The address' own parameters.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    next: String,
}

/// The form as sent.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    email: String,
    password: String,
    next: String,
}

/// The path to go to after signing in: one of this site, or Today.
fn local(next: &str) -> &str {
    let here = next.starts_with('/') && !next.starts_with("//") && next.len() <= NEXT_MAX;
    let clean = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if here && clean && !next.starts_with("/sign-") { next } else { "/" }
}

/// `GET /sign-in`
pub(super) async fn form(desk: Desk, asked: web::Query<Asked>) -> Page {
    let next = local(&asked.next);
    if desk.session.is_some() {
        return Ok(desk.go(next, None));
    }
    let notice = (next != "/").then(|| "Sign in to open that page. If you were signed in, your session is over.".to_owned());
    let page = SignInPage { chrome: desk.chrome("Sign in"), notice, next: next.to_owned(), ..SignInPage::default() };
    desk.show(&page)
}

/// `POST /sign-in`
pub(super) async fn enter(desk: Desk, request: HttpRequest, door: web::Data<Door>, sent: web::Form<Sent>) -> Page {
    let agent = request.headers().get(USER_AGENT).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (email, password, peer) = (sent.email.clone(), sent.password.clone(), desk.peer.clone());
    let tried = web::block(move || door.sign_in(&email, &password, peer.as_deref(), agent.as_deref())).await;
    let tried = tried.map_err(|e| desk.fail(Trouble::Broken(e.to_string())))?;
    let (status, error) = match tried {
        Ok(signed_in) => {
            let mut response = desk.go(local(&sent.next), None);
            let cookie = cookies::session(&desk.app.config, signed_in.token);
            response.add_cookie(&cookie).map_err(|e| desk.fail(Trouble::Broken(e.to_string())))?;
            return Ok(response);
        }
        Err(SignInError::Failed(error)) => return Err(desk.fail(error.into())),
        Err(error @ SignInError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(error @ SignInError::Refused) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
    };
    let page = SignInPage {
        chrome: desk.chrome("Sign in"),
        email: sent.email.clone(),
        error: Some(error),
        notice: None,
        next: local(&sent.next).to_owned(),
    };
    desk.show_as(status, &page)
}

/// `POST /sign-out`
pub(super) async fn leave(desk: Desk) -> Page {
    if let Some(session) = desk.session.clone() {
        let ended = desk.record(move |log| sessions::sign_out(log, &session)).await?;
        ended.map_err(|e| desk.fail(e.into()))?;
    }
    let mut response = desk.go("/sign-in", Some(Done::SignedOut));
    let cookie = cookies::no_session(&desk.app.config);
    response.add_cookie(&cookie).map_err(|e| desk.fail(Trouble::Broken(e.to_string())))?;
    response.headers_mut().insert(
        actix_web::http::header::HeaderName::from_static("clear-site-data"),
        actix_web::http::header::HeaderValue::from_static("\"cache\""),
    );
    Ok(response)
}

/// For the guard: shows the way in to whoever opens a page without a session, and back to it.
pub fn ask_to_sign_in(request: &HttpRequest) -> HttpResponse {
    let wanted = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let way = match local(wanted) {
        "/" => "/sign-in".to_owned(),
        // Escaped whole, so that a `&` of the page's own address stays with it.
        next => format!("/sign-in?next={}", escaped(next)),
    };
    HttpResponse::SeeOther().insert_header((LOCATION, way)).insert_header((CACHE_CONTROL, "no-store")).finish()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, local};

    #[test]
    fn the_way_back_stays_on_this_site() {
        for next in ["/alerts?status=open", "/reports/2026-11-20", "/"] {
            assert_eq!(local(next), next);
        }
        for next in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a b", "/a\nb", "/sign-out", "alerts"] {
            assert_eq!(local(next), "/", "{next:?}");
        }
        assert_eq!(local(&format!("/{}", "x".repeat(600))), "/");
        assert_eq!(escaped("/alerts?a=1&b=2"), "/alerts%3Fa%3D1%26b%3D2");
    }
}
