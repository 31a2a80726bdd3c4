//! Signing in and out.

use actix_web::http::StatusCode;
use actix_web::http::header::USER_AGENT;
use actix_web::{HttpRequest, web};
use serde::Deserialize;

use crate::access::{Door, Origin, SignInError, sessions};

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
    let (email, password, peer, session) = (sent.email.clone(), sent.password.clone(), desk.peer.clone(), desk.session.clone());
    let tried = web::block(move || {
        let from = Origin { ip: peer.as_deref(), user_agent: agent.as_deref(), session: session.as_ref() };
        door.sign_in(&email, &password, &from)
    });
    let tried = tried.await;
    let tried = tried.map_err(|e| desk.fail(Trouble::Broken(e.to_string())))?;
    let (status, error) = match tried {
        Ok(signed_in) => {
            let tried = (signed_in.failures > 0).then_some(Done::SignedIn(signed_in.failures));
            let mut response = desk.go(local(&sent.next), tried);
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

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn the_way_back_stays_on_this_site() {
        for next in ["/alerts?status=open", "/reports/2026-11-20", "/"] {
            assert_eq!(local(next), next);
        }
        for next in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a b", "/a\nb", "/sign-out", "alerts"] {
            assert_eq!(local(next), "/", "{next:?}");
        }
        assert_eq!(local(&format!("/{}", "x".repeat(600))), "/");
    }
}
