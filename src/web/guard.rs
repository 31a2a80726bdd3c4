//! The guard: runs before every handler and lets through whom the route's entry allows.
//!
//! A browser comes with a session cookie, a program with `Authorization: Bearer`. Whatever is not
//! a `GET` and comes with a session, or from a browser to a page, must come from our own pages: the
//! form's token (or header `x-csrf-token`) and the browser's own word on where the request comes
//! from. A refusal is recorded; one that cannot be recorded is a 503. An officer's act is recorded
//! before and after its handler ([`acts`]), and what a key reads is noted ([`reads`]).

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, LOCATION};
use actix_web::middleware::Next;
use actix_web::web::{self, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::access::{ApiKey, Door, Permission, Scope, Session, Who as Asker};
use crate::app::App;
use crate::trail::NewEvent;

use super::acts;
use super::book::{self, for_programs};
use super::form;
use super::params::escaped;
use super::patience::Patience;
use super::peer::Peer;
use super::problem::Problem;
use super::reads;
use super::routes::{Entry, Who, is_api};

/// The path of the entry that was matched, for logs and metrics.
#[derive(Clone, Copy, Debug)]
pub struct Template(pub &'static str);

/// The sender whose key was let through.
#[derive(Clone, Debug)]
pub struct Sender(pub Arc<ApiKey>);

/// The officer whose session was let through.
#[derive(Clone, Debug)]
pub struct Officer(pub Session);

/// Whoever was let through.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A sender.
    Sender(Arc<ApiKey>),
    /// An officer.
    Officer(Session),
}

fn missing() -> actix_web::Error {
    Problem::internal(&"a handler asks for a caller that its route does not require").into()
}

macro_rules! extract {
    ($type:ident, $found:expr) => {
        impl FromRequest for $type {
            type Error = actix_web::Error;
            type Future = Ready<Result<$type, actix_web::Error>>;
            fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
                let found: fn(&HttpRequest) -> Option<$type> = $found;
                ready(found(req).ok_or_else(missing))
            }
        }
    };
}
extract!(Sender, |req| req.extensions().get::<Arc<ApiKey>>().cloned().map(Sender));
extract!(Officer, |req| req.extensions().get::<Session>().cloned().map(Officer));
extract!(Caller, |req| {
    let extensions = req.extensions();
    let key = extensions.get::<Arc<ApiKey>>().cloned().map(Caller::Sender);
    key.or_else(|| extensions.get::<Session>().cloned().map(Caller::Officer))
});

/// Why a request is not let through.
struct Refused {
    status: u16,
    reason: &'static str,
    who: Option<Asker>,
}

impl Refused {
    fn new(status: u16, reason: &'static str, who: Option<Asker>) -> Refused {
        Refused { status, reason, who }
    }
}

enum Stop {
    Refused(Refused),
    Problem(Problem),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Stop {
        Stop::Refused(refused)
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Stop {
        Stop::Problem(problem)
    }
}

/// Checks one request against the entries of its path, then runs its handler.
pub async fn check(
    entries: &'static [&'static Entry],
    mut req: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(app) = req.app_data::<Data<App>>().cloned() else { return Err(missing()) };
    let socket = req.peer_addr().map(|a| a.ip());
    let peer = Peer::find(socket, req.headers(), &app.config.server.trusted_proxies);
    req.extensions_mut().insert(peer);
    if let Some(first) = entries.first() {
        req.extensions_mut().insert(Template(first.path));
    }
    if let Some(patience) = req.app_data::<Data<Patience>>().cloned() {
        patience.bound(&mut req);
    }
    // No entry with this method: the resource answers 405.
    let Some(entry) = entries.iter().find(|e| e.method == *req.method()) else { return recognise(req, next).await };
    if let (Some(by), true) = (app.stands_by(), entry.method != Method::GET) {
        let answer = render(req.request(), &Problem::from(by));
        return Ok(req.into_response(answer));
    }
    match admit(&app, entry, &mut req).await {
        Ok(()) => {
            let session = req.extensions().get::<Session>().cloned();
            let key = req.extensions().get::<Arc<ApiKey>>().map(|key| key.id);
            match (entry.act.zip(session), entry.read.zip(key)) {
                (Some((act, session)), _) => acts::run(&app, (act, entry.path), session, peer, req, next).await,
                (None, Some((read, key))) => reads::run(door(&req)?, (read, key), peer, req, next).await,
                (None, None) => next.call(req).await,
            }
        }
        Err(stop) => {
            let answer = turn_away(&req, entry, peer, stop).await;
            Ok(req.into_response(answer))
        }
    }
}

/// For what is no route: shows who is signed in, so that the page keeps its navigation.
pub async fn recognise(req: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Some(app) = req.app_data::<Data<App>>().cloned().filter(|_| !for_programs(req.request()))
        && let Ok(Some(session)) = session(&app, &req).await
    {
        req.extensions_mut().insert(session);
    }
    next.call(req).await
}

async fn admit(app: &App, entry: &Entry, req: &mut ServiceRequest) -> Result<(), Stop> {
    match entry.who {
        Who::Anyone => {
            if !is_api(entry.path) {
                // Pages for everyone still show who is signed in.
                let session = session(app, req).await?;
                if entry.method != Method::GET {
                    form::same_origin(app, req.headers()).map_err(|reason| Refused::new(403, reason, None))?;
                }
                if let Some(session) = session {
                    req.extensions_mut().insert(session);
                }
            }
            Ok(())
        }
        Who::Officer(permission) => officer(app, entry, req, permission).await,
        Who::Key(scope) => sender(req, scope).await,
        Who::AnyoneIfPublic(..) if app.config.anchor.public_tiles => Ok(()),
        Who::OfficerOrKey(permission, scope) | Who::AnyoneIfPublic(permission, scope) => {
            match req.headers().contains_key(AUTHORIZATION) {
                true => sender(req, scope).await,
                false => officer(app, entry, req, permission).await,
            }
        }
    }
}

async fn sender(req: &ServiceRequest, scope: Scope) -> Result<(), Stop> {
    let bearer = bearer(req.headers()).ok_or(Refused::new(401, "no_key", None))?;
    let door = door(req)?;
    let found = match door.known(&bearer) {
        Some(key) => Some(key),
        None => web::block(move || door.authenticate(&bearer)).await.map_err(Problem::from)?.map_err(Problem::from)?,
    };
    let key = found.ok_or(Refused::new(401, "key_unknown", None))?;
    if !key.scopes.contains(scope) {
        return Err(Refused::new(403, "scope", Some(Asker::Key(key.id))).into());
    }
    req.extensions_mut().insert(key);
    Ok(())
}

async fn officer(app: &App, entry: &Entry, req: &mut ServiceRequest, permission: Permission) -> Result<(), Stop> {
    let Some(session) = session(app, req).await? else {
        let keyed = is_api(entry.path) && req.headers().contains_key(AUTHORIZATION);
        return Err(
            if keyed { Refused::new(403, "officers_only", None) } else { Refused::new(401, "not_signed_in", None) }.into()
        );
    };
    let who = Some(Asker::User(session.user));
    // Whoever is refused is told so inside their own frame.
    req.extensions_mut().insert(session.clone());
    if !session.role.may(permission) {
        return Err(Refused::new(403, "role", who).into());
    }
    if entry.method != Method::GET {
        form::same_origin(app, req.headers()).map_err(|reason| Refused::new(403, reason, who))?;
        let given = form::token(req).await?;
        if !given.is_some_and(|given| session.csrf_matches(&given)) {
            return Err(Refused::new(403, "form_token", who).into());
        }
    }
    Ok(())
}

fn door(req: &ServiceRequest) -> Result<Door, Problem> {
    let door = req.app_data::<Data<Door>>().map(|door| Door::clone(door));
    door.ok_or_else(|| Problem::internal(&"the server was built without a door"))
}

async fn session(app: &App, req: &ServiceRequest) -> Result<Option<Session>, Problem> {
    let Some(cookie) = req.cookie(&super::pages::session_cookie_name(&app.config)) else { return Ok(None) };
    let (door, token) = (door(req)?, cookie.value().to_owned());
    Ok(web::block(move || door.session(&token)).await??)
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

/// Records the refusal and says so; a reader without a session is asked to sign in.
async fn turn_away(req: &ServiceRequest, entry: &'static Entry, peer: Peer, stop: Stop) -> HttpResponse {
    let refused = match stop {
        Stop::Problem(problem) => return render(req.request(), &problem),
        Stop::Refused(refused) => refused,
    };
    let api = is_api(entry.path);
    if !api && refused.status == 401 && entry.method == Method::GET {
        // Not a refusal: whoever opens a page without a session is shown the way in, and back. That is counted.
        // The filters of a list are part of the way back; no address of ours holds anything personal.
        let root = book::root(req.request());
        let wanted = req.uri().path_and_query().map_or("/", |wanted| book::path(&root, wanted.as_str()));
        let way_in = format!("/sign-in?next={}", escaped(wanted));
        if let Ok(door) = door(req) {
            door.shown_the_way_in(peer.text().as_deref());
        }
        return HttpResponse::SeeOther().insert_header((LOCATION, way_in)).finish();
    }
    if let Err(problem) = record(req.request(), (entry.path, entry.act), refused.who, refused.reason, peer).await {
        return render(req.request(), &problem);
    }
    render(req.request(), &told(&refused))
}

fn told(refused: &Refused) -> Problem {
    match (refused.status, refused.reason) {
        (401, "not_signed_in") => {
            Problem::new(401, "not_signed_in", "sign in first, or send an API key as `Authorization: Bearer <key>`")
        }
        (401, "key_unknown") => {
            Problem::new(401, "key_unknown", "this key is not known or was revoked; issue one with `counterfoil key issue`")
        }
        (401, _) => Problem::unauthenticated(),
        (_, "officers_only") => {
            Problem::new(403, "officers_only", "this is for officers: sign in; an API key may not do it, whatever its scopes")
        }
        (_, "scope") => {
            Problem::new(403, "scope_missing", "the key lacks the scope that this needs; see /docs, then issue another key")
        }
        (_, "role") => Problem::new(403, "role", "your role may not do this; ask an administrator who may"),
        (_, "form_token") => Problem::new(
            403,
            "form_token",
            "the form is out of date, because you signed in again or waited too long; nothing was changed",
        ),
        _ => Problem::new(403, "cross_site", "the request came from another site; open the page here and repeat"),
    }
}

/// A problem as whoever asked can read it: `problem+json` for programs, a page for browsers.
pub fn render(req: &HttpRequest, problem: &Problem) -> HttpResponse {
    if for_programs(req) {
        problem.response()
    } else {
        super::pages::error(req, problem.http_status(), problem.code, &sentence(&problem.detail))
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

/// Records that a request was refused (`what`: its template, and the act if it is one); an error means that it could not be, and is a 503.
pub async fn record(
    req: &HttpRequest,
    what: (&'static str, Option<&'static str>),
    who: Option<Asker>,
    reason: &'static str,
    peer: Peer,
) -> Result<(), Problem> {
    let Some(door) = req.app_data::<Data<Door>>().map(|door| Door::clone(door)) else {
        return Err(Problem::internal(&"the server was built without a door"));
    };
    let ip = peer.text();
    let recorded = web::block(move || door.denied(what, who, reason, ip.as_deref())).await?;
    recorded.map_err(|error| {
        tracing::error!(target: "counterfoil::web", %error, "a refusal could not be recorded");
        Problem::new(503, "refusal_unrecorded", "this was refused, but the refusal could not be recorded; try again later")
    })
}

impl Caller {
    /// Who it is, for events.
    pub fn asker(&self) -> Asker {
        match self {
            Caller::Sender(key) => Asker::Key(key.id),
            Caller::Officer(session) => Asker::User(session.user),
        }
    }

    /// Records what it did: who in public, the address in private. Without the record there is no
    /// answer.
    pub async fn note(&self, req: &HttpRequest, app: &App, kind: &'static str, mut body: Value) -> Result<(), Problem> {
        match self.asker() {
            Asker::User(user) => body["user"] = user.into(),
            Asker::Key(key) => body["key"] = key.into(),
        }
        let ip = req.extensions().get::<Peer>().and_then(Peer::text);
        let (log, event) = (app.log(), NewEvent::with_private(kind, body, json!({ "ip": ip })));
        web::block(move || log.append(event)).await??;
        Ok(())
    }

    /// The one source it may see; `None`: every source.
    pub fn source(&self) -> Option<crate::ids::Seq> {
        match self {
            Caller::Sender(key) => Some(key.source),
            Caller::Officer(_) => None,
        }
    }

    /// Whether it may see which rules were hit.
    pub fn sees_hits(&self) -> bool {
        match self {
            Caller::Sender(key) => key.scopes.contains(Scope::ReceiptFull),
            Caller::Officer(_) => true,
        }
    }
}

/// Answers that something of another source does not exist, and records that it was asked for.
pub async fn hidden(req: &HttpRequest, caller: &Caller, what: &str) -> Problem {
    match refused(req, caller, "other_source").await {
        Ok(()) => Problem::not_found(what),
        Err(problem) => problem,
    }
}

/// Records that a handler refuses whom its route let through.
pub async fn refused(req: &HttpRequest, caller: &Caller, reason: &'static str) -> Result<(), Problem> {
    let template = req.extensions().get::<Template>().map_or("", |t| t.0);
    let peer = req.extensions().get::<Peer>().copied().unwrap_or(Peer(None));
    record(req, (template, None), Some(caller.asker()), reason, peer).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn a_bearer_is_read_whatever_the_case_of_its_scheme() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        for (text, key) in
            [("Bearer cf_1_x", Some("cf_1_x")), ("bearer  cf_1_x", Some("cf_1_x")), ("Basic eA==", None), ("Bearer", None)]
        {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(text));
            assert_eq!(bearer(&headers).as_deref(), key, "{text}");
        }
    }
}
