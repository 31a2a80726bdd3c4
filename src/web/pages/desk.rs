//! A handler's desk: who is signed in, the way to the database, and the frame of the page.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::json;

use crate::access::{Permission, Role, Session};
use crate::app::App;
use crate::approvals;
use crate::clock::Moment;
use crate::db::Conn;
use crate::ids::Seq;
use crate::reports::page::words::LocalTime;
use crate::trail::{ActError, Log, NewEvent};
use crate::web::params::{Params, has_come};
use crate::web::peer::Peer;
use crate::web::problem::Problem;

use super::super::book;
use super::cookies::{self, Done};
use super::errors::{self, Failure, Trouble};
use super::travel::instant;
use super::views::{Chrome, Link, NavItem, UserBadge};

/// What a handler answers.
pub(super) type Page = Result<HttpResponse, Failure>;

/// See the module.
#[derive(Clone)]
pub(super) struct Desk {
    /// Settings, database, clock and log.
    pub app: web::Data<App>,
    /// Who is signed in, if anyone.
    pub session: Option<Session>,
    /// Where the request came from.
    pub peer: Option<String>,
    path: String,
    done: Option<Done>,
    /// Proposals that wait for the reader, as of the last reading.
    waiting: Arc<AtomicU64>,
}

impl FromRequest for Desk {
    type Error = actix_web::Error;
    type Future = Ready<Result<Desk, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Desk::of(request).ok_or_else(|| actix_web::error::ErrorInternalServerError("the program is not set up")))
    }
}

impl Desk {
    /// The desk of a request; `None` before the program is set up.
    pub(super) fn of(request: &HttpRequest) -> Option<Desk> {
        let app = request.app_data::<web::Data<App>>()?.clone();
        // First: reading a cookie takes the request's extensions for itself.
        let done = cookies::done(&app.config, request);
        let extensions = request.extensions();
        Some(Desk {
            session: extensions.get::<Session>().cloned(),
            peer: extensions.get::<Peer>().and_then(Peer::text),
            path: book::path(&app.config.root(), request.path()).to_owned(),
            app,
            done,
            waiting: Arc::default(),
        })
    }

    /// A page of this title inside the frame.
    pub(super) fn chrome(&self, title: &str) -> Chrome {
        let role = self.session.as_ref().map(|s| s.role);
        Chrome {
            title: title.to_owned(),
            bank: self.app.config.bank.name.clone(),
            books: self.books(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nav: role.map(|role| navigation(role, &self.path, self.waiting())).unwrap_or_default(),
            user: self.session.as_ref().map(|s| UserBadge { name: s.email.clone(), role: role_word(s.role).to_owned() }),
            csrf: self.session.as_ref().map(|s| s.csrf.clone()).unwrap_or_default(),
            flash: self.done.map(Done::flash),
            standing: self.app.stands_by(),
            replica: self.app.db.replica().map(|standing| standing.to_string()),
            zone: self.time().name(self.now()),
        }
    }

    /// The installation's other books, where there are any.
    fn books(&self) -> Vec<Link> {
        let here = self.app.config.book_name();
        let books = self.app.config.books().iter().filter(|name| *name != here);
        books.map(|name| Link { text: name.clone(), href: format!("/b/{name}/") }).collect()
    }

    /// How many proposals wait for the reader, as far as something was read already.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The bank's clock.
    pub(super) fn time(&self) -> LocalTime {
        LocalTime(self.app.calendar.zone())
    }

    /// An instant in an address that has come, in the bank's own time or with an offset.
    pub(super) fn instant(&self, text: &str) -> Result<Moment, String> {
        has_come(instant(text, self.time())?, self.now())
    }

    /// Now.
    pub(super) fn now(&self) -> Moment {
        self.app.clock.now()
    }

    /// A fresh reference to quote.
    pub(super) fn reference(&self) -> String {
        hex::encode(self.app.clock.random::<6>())
    }

    /// Whether the reader may do it.
    pub(super) fn may(&self, permission: Permission) -> bool {
        self.session.as_ref().is_some_and(|s| s.role.may(permission))
    }

    /// The reader's number; the guard lets nobody else to an officer's page.
    pub(super) fn user(&self) -> Result<Seq, Failure> {
        self.session.as_ref().map(|s| s.user).ok_or_else(|| self.refuse(401, "Please sign in."))
    }

    /// Reads the query strictly: only `known` parameters, each once; what cannot be used is a page
    /// that names it.
    pub(super) fn asked<T>(
        &self,
        request: &HttpRequest,
        known: &[&str],
        read: impl FnOnce(&Params) -> Result<T, Problem>,
    ) -> Result<T, Failure> {
        let read = Params::of(request, known).and_then(|query| read(&query));
        read.map_err(|problem| self.refuse(problem.status, &format!("the address cannot be used: {}", problem.detail)))
    }

    /// Reads, on a blocking thread, from one unchanging state of the database.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Failure> {
        let (db, count) = (self.app.db.clone(), self.count());
        let read = move |conn: &mut Conn| {
            count(conn)?;
            work(conn)
        };
        // Whoever has just changed something is shown that it is changed.
        let fresh = self.done.is_some();
        let looked = move || if fresh { db.read(|conn| conn.snapshot(read)) } else { db.look(|conn| conn.snapshot(read)) };
        self.finish(web::block(looked).await)
    }

    /// Reads, on a blocking thread; what is read sees to its own state of the database.
    pub(super) async fn read_freely<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Failure> {
        let db = self.app.db.clone();
        self.finish(web::block(move || db.read(work)).await)
    }

    /// Counts, beside what a page reads, the proposals that wait for its reader.
    fn count(&self) -> impl FnOnce(&mut Conn) -> Result<(), Trouble> + Send + 'static {
        let (waiting, now) = (self.waiting.clone(), self.now());
        let who = self.session.as_ref().map(|session| (session.user, session.role));
        move |conn| {
            if let Some((user, role)) = who {
                waiting.store(approvals::waiting_for(conn, user, role, now)?, Ordering::Relaxed);
            }
            Ok(())
        }
    }

    /// Records something, on a blocking thread.
    pub(super) async fn record<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Log) -> Result<T, ActError> + Send + 'static,
    ) -> Result<Result<T, ActError>, Failure> {
        let log = self.app.log();
        web::block(move || work(&log)).await.map_err(|e| self.fail(Trouble::Broken(e.to_string())))
    }

    /// Submits a proposal of the reader; answers its number, or why it was refused.
    pub(super) async fn propose(
        &self,
        kind: approvals::Kind,
        about: String,
        facts: serde_json::Value,
        reason: String,
    ) -> Result<Result<Seq, ActError>, Failure> {
        let (by, whence) = (Some(self.user()?), json!({ "ip": self.peer }));
        let submission = approvals::Submission { kind, about, facts, reason, detail: None, by, whence };
        self.record(move |log| approvals::submit(log, submission)).await
    }

    /// Records that the reader looked at a customer. Without the record there is no page.
    pub(super) async fn viewed(&self, what: serde_json::Value) -> Result<(), Failure> {
        self.note("customer.viewed", what).await
    }

    /// Records what the reader did: who in public, from where in private.
    pub(super) async fn note(&self, kind: &'static str, what: serde_json::Value) -> Result<(), Failure> {
        let mut body = json!({ "user": self.user()? });
        if let (Some(body), Some(what)) = (body.as_object_mut(), what.as_object()) {
            body.extend(what.clone());
        }
        let private = json!({ "ip": self.peer });
        let recorded = self.record(move |log| log.append(NewEvent::with_private(kind, body, private))).await?;
        recorded.map(drop).map_err(|e| self.fail(e.into()))
    }

    fn finish<T>(&self, done: Result<Result<T, Trouble>, actix_web::error::BlockingError>) -> Result<T, Failure> {
        match done {
            Ok(result) => result.map_err(|trouble| self.fail(trouble)),
            Err(error) => Err(self.fail(Trouble::Broken(error.to_string()))),
        }
    }

    /// A page for what went wrong.
    pub(super) fn fail(&self, trouble: Trouble) -> Failure {
        errors::failure(self, trouble)
    }

    /// A proposal by its number, and its page for who may read it.
    pub(super) fn proposal(&self, id: Seq) -> Link {
        let href = if self.may(Permission::ReadApprovals) { format!("/approvals/{id}") } else { String::new() };
        Link { text: format!("proposal {id}"), href }
    }

    /// A page for a refusal.
    pub(super) fn refuse(&self, status: u16, detail: &str) -> Failure {
        self.fail(Trouble::Refused { status, code: "", detail: detail.to_owned() })
    }

    /// Prints a page.
    pub(super) fn show(&self, page: &impl Template) -> Page {
        self.show_as(StatusCode::OK, page)
    }

    /// Prints a page under another status, such as a form with errors.
    pub(super) fn show_as(&self, status: StatusCode, page: &impl Template) -> Page {
        let html = page.render().map_err(|e| self.fail(Trouble::Broken(e.to_string())))?;
        let mut response = HttpResponse::build(status);
        if self.done.is_some() {
            response.cookie(cookies::no_flash(&self.app.config));
        }
        response.insert_header((CONTENT_TYPE, "text/html; charset=utf-8")).insert_header((CACHE_CONTROL, "no-store"));
        Ok(response.body(html))
    }

    /// Sends the browser on after a form: it asks for `path` with a GET.
    pub(super) fn go(&self, path: &str, done: Option<Done>) -> HttpResponse {
        let mut response = HttpResponse::SeeOther();
        response.insert_header((LOCATION, path)).insert_header((CACHE_CONTROL, "no-store"));
        if let Some(done) = done {
            response.cookie(done.cookie(&self.app.config));
        }
        response.finish()
    }
}

/// What a role may open, and where the reader is.
fn navigation(role: Role, path: &str, waiting: u64) -> Vec<NavItem> {
    let items = [
        ("Today", "/", Permission::ReadStatus),
        ("Alerts", "/alerts", Permission::ReadCustomers),
        ("Accounts", "/accounts", Permission::ReadCustomers),
        ("Records", "/records", Permission::ReadCustomers),
        ("Reports", "/reports", Permission::ReadReports),
        ("Approvals", "/approvals", Permission::ReadApprovals),
        ("Trail", "/trail", Permission::ReadStatus),
    ];
    let here = |href: &str| match href {
        "/" => path == "/",
        "/accounts" => ["/accounts", "/search/", "/contexts/", "/holders"].iter().any(|start| path.starts_with(start)),
        "/trail" => ["/trail", "/rules"].iter().any(|start| path.starts_with(start)),
        _ => path.starts_with(href),
    };
    let item = |(label, href, _): &(&str, &str, Permission)| NavItem {
        label: (*label).to_owned(),
        href: (*href).to_owned(),
        current: here(href),
        waiting: Some(waiting).filter(|n| *n > 0 && *href == "/approvals"),
    };
    items.iter().filter(|(_, _, permission)| role.may(*permission)).map(item).collect()
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Analyst => "Analyst",
        Role::Officer => "Compliance officer",
        Role::Auditor => "Auditor",
        Role::Admin => "Administrator",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn navigation_holds_what_the_role_may_open() {
        let labels = |role| navigation(role, "/search/abc", 0).into_iter().map(|item| item.label).collect::<Vec<_>>();
        assert_eq!(labels(Role::Admin), ["Today", "Approvals", "Trail"]);
        assert_eq!(labels(Role::Auditor), ["Today", "Alerts", "Accounts", "Records", "Reports", "Approvals", "Trail"]);
        let here = navigation(Role::Officer, "/search/abc", 2);
        assert_eq!(here.iter().filter(|item| item.current).map(|item| item.label.as_str()).collect::<Vec<_>>(), ["Accounts"]);
    }
}
