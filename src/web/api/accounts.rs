//! An account, its entries, and its balance at any time as known at any time.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::ApiKey;
use crate::access::reads::Subject;
use crate::app::App;
use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::BreakState;
use crate::ledger::history::{self, Balance, LATE_MAX, Newest, Window};
use crate::ledger::store::{self, AccountRow};
use crate::money::{Currency, Money};
use crate::trail::store as trail;
use crate::web::guard::{Caller, Sender, hidden};
use crate::web::pages::end_at;
use crate::web::params::{Params, come, forwards, moment, place};
use crate::web::problem::{Problem, ProblemBody};
use crate::web::reads;

use super::entry::{EntryView, Views};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountView {
    /// Its number.
    pub account: String,
    /// ISO 4217.
    pub currency: String,
    /// The source it is bound to.
    pub source: String,
    /// When it was first seen, RFC 3339.
    pub created_at: String,
    /// How many entries it has.
    pub entries: i64,
    /// The place of its newest entry in the log; `null` when another source sent that one.
    pub newest: Option<Seq>,
    /// Its balance now, as in `/balance`.
    pub balance: BalanceView,
    /// Breaks of continuity that are open, at most 1,000.
    pub open_breaks: i64,
    /// As it was at an instant, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub then: Option<AccountThen>,
}

/// An account as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountThen {
    /// The instant, RFC 3339.
    pub at: String,
    /// Its balance after what was booked before, as it is known now.
    pub balance: BalanceView,
    /// The same of what was recorded by then.
    pub known: BalanceView,
    /// Breaks of continuity that were open, as recorded by then, at most 1,000.
    pub open_breaks: i64,
}

/// A balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BalanceView {
    /// Decimal text; `null` when it is not known.
    #[schema(example = "1500.00")]
    pub balance: Option<String>,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// The entry that says so; `null` when another source sent it.
    pub seq: Option<Seq>,
    /// When that entry was booked, RFC 3339.
    pub booked_at: Option<String>,
    /// Why it is not told: `no_entry`, `not_stated`, `too_many_late_entries`, or `another_source` if that sent
    /// the entry that says so; or why the balance
    /// given may be another: `order_not_proven`, where entries of one instant can be put in several orders.
    pub reason: Option<&'static str>,
    /// Booked before this, RFC 3339.
    pub at: String,
    /// Recorded at or before this, RFC 3339.
    pub known_at: String,
}

/// A page of entries.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EntryPage {
    /// In the order of recording, oldest first.
    pub items: Vec<EntryView>,
    /// Send it as `after` for the next page; `null` at the end. A page may hold less than `limit`
    /// and still have a next one.
    pub next: Option<String>,
}

/// What a key may know of an account number.
enum Found {
    /// It is the key's.
    Own(AccountRow),
    /// It is another source's.
    Other,
    /// There is none.
    None,
}

fn find(conn: &mut Conn, key: &ApiKey, number: &str) -> DbResult<Found> {
    Ok(match store::account_by_number(conn, number)? {
        Some(row) if row.source == key.source => Found::Own(row),
        Some(_) => Found::Other,
        None => Found::None,
    })
}

/// Runs `read` for an account of the key's own source, off the event loop.
async fn of_account<T: Send + 'static>(
    req: &HttpRequest,
    app: &App,
    sender: Sender,
    number: String,
    read: impl FnOnce(&mut Conn, AccountRow) -> DbResult<T> + Send + 'static,
) -> Result<T, Problem> {
    let (db, key) = (app.db.clone(), sender.0.clone());
    let found = web::block(move || {
        db.look(|conn| {
            conn.snapshot(|conn| match find(conn, &key, &number)? {
                Found::Own(account) => Ok::<_, DbError>(Some(Some((account.id, read(conn, account)?)))),
                Found::Other => Ok(Some(None)),
                Found::None => Ok(None),
            })
        })
    });
    match found.await?? {
        Some(Some((account, value))) => {
            reads::shows(req, [Subject::Account(account)]);
            Ok(value)
        }
        Some(None) => Err(hidden(req, &Caller::Sender(sender.0), "account").await),
        None => Err(Problem::not_found("account")),
    }
}

fn currency_of(account: &AccountRow) -> DbResult<Currency> {
    Currency::parse(&account.currency).map_err(|e| DbError::Corrupt(format!("account {}: {e}", account.id)))
}

/// The place of an entry, unless another source sent it.
fn own(conn: &mut Conn, account: &AccountRow, seq: Seq) -> DbResult<Option<Seq>> {
    let sent = store::entry(conn, seq)?.map(|row| row.source);
    Ok(Some(seq).filter(|_| sent == Some(account.source)))
}

/// By when everything that is here was recorded: under a clock that was ahead, entries bear a time that has not come yet,
/// and count all the same.
fn recorded(conn: &mut Conn, now: Moment) -> DbResult<Moment> {
    Ok(trail::state(conn)?.map_or(now, |state| Moment(state.recorded_at.max(now.0))))
}

fn balance_view(conn: &mut Conn, newest: &Newest, account: &AccountRow, at: Moment, known_at: Moment) -> DbResult<BalanceView> {
    let currency = currency_of(account)?;
    let mut view = BalanceView {
        balance: None,
        currency: currency.code().to_owned(),
        seq: None,
        booked_at: None,
        reason: None,
        at: at.to_string(),
        known_at: known_at.to_string(),
    };
    match history::balance(conn, newest, account.id, at, known_at)? {
        Balance::Known { minor, seq, booked_at, proven } => {
            view.seq = own(conn, account, seq)?;
            if view.seq.is_some() {
                view.balance = Some(Money::new(minor, currency).to_string());
                view.booked_at = Some(booked_at.to_string());
            }
            view.reason = if view.seq.is_none() { Some("another_source") } else { (!proven).then_some("order_not_proven") };
        }
        Balance::NoEntry => view.reason = Some("no_entry"),
        Balance::NotStated { seq } => (view.seq, view.reason) = (own(conn, account, seq)?, Some("not_stated")),
        Balance::TooLong => {
            tracing::warn!(target: "counterfoil::web", "more than {LATE_MAX} late entries lie before a balance that was asked for as known earlier: it was not looked for");
            view.reason = Some("too_many_late_entries");
        }
    }
    Ok(view)
}

/// An account.
#[utoipa::path(
    get, path = "/api/v1/accounts/{account}", tag = "Accounts", security(("key" = ["read"])),
    params(
        ("account" = String, Path, description = "The account's number."),
        ("at" = Option<String>, Query, description = "Also as it was at this instant, RFC 3339."),
    ),
    responses(
        (status = 200, description = "The account.", body = AccountView),
        (status = 400, description = "A parameter cannot be used.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No key, or not one that is known.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account of your source.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(req: HttpRequest, sender: Sender, app: Data<App>, number: Path<String>) -> Result<HttpResponse, Problem> {
    let at = Params::of(&req, &["at"])?.read("at", come(app.clock.now()))?;
    let (source, now, heads) = (sender.0.source_name.clone(), app.clock.now(), app.newest.clone());
    let read = move |conn: &mut Conn, account: AccountRow| {
        let recorded = recorded(conn, now)?;
        let newest = history::newest(conn, &heads, account.id)?;
        let breaks = store::breaks_of(conn, account.id, 1_000)?;
        let open = breaks.iter().filter(|b| b.state == BreakState::Open.code()).count();
        let then = match at {
            Some(at) => Some(AccountThen {
                at: at.to_string(),
                balance: balance_view(conn, &heads, &account, at, recorded)?,
                known: balance_view(conn, &heads, &account, at, at)?,
                open_breaks: {
                    let end = end_at(conn, at)?;
                    store::breaks_open_at(conn, account.id, end, 1_000)?.len() as i64
                },
            }),
            None => None,
        };
        Ok(AccountView {
            currency: account.currency.clone(),
            source,
            created_at: Moment(account.created_at).to_string(),
            entries: newest.map_or(0, |(_, position)| position),
            newest: match newest {
                Some((seq, _)) => own(conn, &account, seq)?,
                None => None,
            },
            balance: balance_view(conn, &heads, &account, now, recorded)?,
            open_breaks: open as i64,
            then,
            account: account.number,
        })
    };
    Ok(HttpResponse::Ok().json(of_account(&req, &app, sender, number.into_inner(), read).await?))
}

/// The entries of an account, in the order of recording.
///
/// A late entry comes at the end, so that pages once read never change. Entries that another source
/// sent on the account are left out.
#[utoipa::path(
    get, path = "/api/v1/accounts/{account}/entries", tag = "Accounts", security(("key" = ["read"])),
    params(
        ("account" = String, Path, description = "The account's number."),
        ("from" = Option<String>, Query, description = "Booked at or after, RFC 3339."),
        ("to" = Option<String>, Query, description = "Booked before, RFC 3339."),
        ("after" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<i64>, Query, description = "Items of the page, 1 to 1,000; default 100."),
    ),
    responses(
        (status = 200, description = "A page.", body = EntryPage),
        (status = 400, description = "A parameter cannot be used; see `field`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No key, or not one that is known.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account of your source.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn entries(req: HttpRequest, sender: Sender, app: Data<App>, number: Path<String>) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["from", "to", "after", "limit"])?;
    let after = query.read("after", place)?.unwrap_or(0);
    let window = Window { from: query.read("from", moment)?, to: query.read("to", moment)?, after };
    if let (Some(from), Some(to)) = (window.from, window.to) {
        forwards(&from, &to, "to")?;
    }
    let (limit, full) = (query.limit()?, Caller::Sender(sender.0.clone()).sees_hits());
    let newest = app.newest.clone();
    let read = move |conn: &mut Conn, account: AccountRow| {
        let page = history::page(conn, &newest, account.id, &window, limit)?;
        let mut views = Views::new(conn, full)?;
        // What another source sent is that source's, whosever the account is.
        let own = page.items.iter().filter(|row| row.source == account.source);
        let items = own.map(|row| views.view(conn, row)).collect::<DbResult<_>>()?;
        Ok(EntryPage { items, next: page.next.map(|position| position.to_string()) })
    };
    Ok(HttpResponse::Ok().json(of_account(&req, &app, sender, number.into_inner(), read).await?))
}

/// The balance of an account at a time, as known at a time.
///
/// The balance after the latest entry booked before `at`, among those recorded at or before
/// `known_at`; `null` with a reason where that is not known. Entries of one instant are taken in the
/// order that their numbers (`account_seq`) or their balances ask for; where neither decides, in the
/// order of arrival, and the reason says `order_not_proven`.
#[utoipa::path(
    get, path = "/api/v1/accounts/{account}/balance", tag = "Accounts", security(("key" = ["read"])),
    params(
        ("account" = String, Path, description = "The account's number."),
        ("at" = Option<String>, Query, description = "Booked before this, RFC 3339; default now. It may be ahead, such as the end of today: the answer is what was known by `known_at`."),
        ("known_at" = Option<String>, Query, description = "Recorded at or before, RFC 3339; default now, and not later."),
    ),
    responses(
        (status = 200, description = "The balance, or why it is not known.", body = BalanceView),
        (status = 400, description = "A parameter cannot be used; see `field`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No key, or not one that is known.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such account of your source.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn balance(req: HttpRequest, sender: Sender, app: Data<App>, number: Path<String>) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["at", "known_at"])?;
    let now = app.clock.now();
    let (at, known_at) = (query.read("at", moment)?.unwrap_or(now), query.read("known_at", come(now))?);
    let newest = app.newest.clone();
    let read = move |conn: &mut Conn, account: AccountRow| {
        let known_at = known_at.map_or_else(|| recorded(conn, now), Ok)?;
        balance_view(conn, &newest, &account, at, known_at)
    };
    Ok(HttpResponse::Ok().json(of_account(&req, &app, sender, number.into_inner(), read).await?))
}
