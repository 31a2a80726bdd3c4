//! Records as they are, were and became.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::access::reads::Subject;
use crate::app::App;
use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::records::event::is_of_sealed;
use crate::records::history::{self, Version};
use crate::records::store::{self, ChangeRow, RecordRow};
use crate::records::{self, Action, Axis, Held, State, class_from_code, class_text};
use crate::web::api::entry::{OFFICER, by_proposal};
use crate::web::guard::Sender;
use crate::web::params::{Params, come, forwards};
use crate::web::problem::{Problem, ProblemBody};
use crate::web::reads;

/// A record at an instant. Numbers have the digits they were sent with.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordView {
    /// Its type.
    pub r#type: String,
    /// Its id within the type.
    pub id: String,
    /// Our number of it: the page of a record is `/records/` and this.
    pub record: Seq,
    /// The number of the change that made it so, from 1.
    pub version: i64,
    /// That change.
    pub seq: Seq,
    /// Whether it was there: a deleted record has no document.
    pub exists: bool,
    /// When it came to be so, as its source says.
    pub effective_at: String,
    /// When that was recorded.
    pub recorded_at: String,
    /// The record; sealed values are left out.
    #[schema(value_type = Object)]
    pub document: Box<RawValue>,
    /// Paths of sealed values.
    pub sealed: Vec<String>,
}

/// A field of a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldView {
    /// JSON pointer.
    pub path: String,
    /// What was there; absent: nothing, or it is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub old: Option<Box<RawValue>>,
    /// What is there since; absent: nothing, or it is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub new: Option<Box<RawValue>>,
    /// Whether the values are sealed.
    pub sealed: bool,
}

/// A change of a record.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeView {
    /// Its place in the log.
    pub seq: Seq,
    /// Its number on the record, from 1.
    pub version: i64,
    /// Your id of it.
    pub source_ref: Option<String>,
    /// `create update delete`
    pub action: &'static str,
    /// `critical normal debug`
    pub class: &'static str,
    /// When, as its source says.
    pub changed_at: String,
    /// When it was recorded.
    pub recorded_at: String,
    /// Who changed it; `officer` of what two officers restored.
    pub actor: Option<String>,
    /// Why; `proposal` and its number of what two officers restored.
    pub reason: Option<String>,
    /// What differs.
    pub fields: Vec<FieldView>,
    /// In how many fields what was sent as `before` was not our last state; sealed ones are not counted.
    pub breaks: usize,
    /// The change whose state it restores.
    pub restores: Option<Seq>,
}

/// A page of changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangePage {
    /// Newest first.
    pub items: Vec<ChangeView>,
    /// Send it as `after` for the next page; `null` at the end.
    pub next: Option<String>,
}

/// What differs between two instants.
#[derive(Debug, Serialize, ToSchema)]
pub struct DifferenceView {
    /// The version in force at the first; `null`: there was none yet.
    pub from_version: Option<i64>,
    /// The version in force at the second.
    pub to_version: Option<i64>,
    /// What differs, `old` at the first and `new` at the second.
    pub fields: Vec<FieldView>,
}

fn raw(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok()
}

fn value(held: Option<&Held>) -> Option<Box<RawValue>> {
    raw(held?.value.as_ref()?.as_str())
}

/// Runs `read` for a record of the key's own source, off the event loop.
async fn of_record<T: Send + 'static>(
    req: &HttpRequest,
    app: &App,
    sender: &Sender,
    (kind, id): (String, String),
    read: impl FnOnce(&mut Conn, RecordRow) -> DbResult<Option<T>> + Send + 'static,
) -> Result<T, Problem> {
    let (db, source) = (app.db.clone(), sender.0.source);
    let found = web::block(move || {
        db.look(|conn| {
            conn.snapshot(|conn| match store::record_by_reference(conn, source, &kind, &id)? {
                Some(row) => {
                    let id = row.id;
                    Ok(read(conn, row)?.map(|found| (id, found)))
                }
                None => Ok::<_, DbError>(None),
            })
        })
    });
    let (record, found) = found.await??.ok_or_else(|| Problem::not_found("record"))?;
    reads::shows(req, [Subject::Record(record)]);
    Ok(found)
}

fn state_at(conn: &mut Conn, record: Seq, at: Moment, axis: Axis) -> DbResult<Option<(ChangeRow, State)>> {
    let Some(change) = records::in_force(conn, record, at, axis)? else { return Ok(None) };
    let state = records::at_version(conn, &change)?;
    Ok(Some((change, state)))
}

fn view(record: RecordRow, change: &ChangeRow, state: &State) -> Option<RecordView> {
    let (document, sealed) = history::document(state);
    Some(RecordView {
        r#type: record.kind,
        id: record.reference,
        record: record.id,
        version: change.version,
        seq: change.seq,
        exists: state.exists,
        effective_at: Moment(change.effective_at).to_string(),
        recorded_at: Moment(change.recorded_at).to_string(),
        document: raw(&document.to_json())?,
        sealed,
    })
}

/// A record as it is, or as it was.
#[utoipa::path(
    get, path = "/api/v1/records/{type}/{id}", tag = "Records", security(("key" = ["read"])),
    params(
        ("type" = String, Path, description = "The record's type."),
        ("id" = String, Path, description = "Its id within the type."),
        ("at" = Option<String>, Query, description = "As it was at this instant, as its source says. RFC 3339 with an offset."),
        ("known_at" = Option<String>, Query, description = "As we knew it at this instant instead."),
    ),
    responses(
        (status = 200, description = "The record.", body = RecordView),
        (status = 400, description = "A parameter cannot be read.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such record of your source, or not yet at that instant.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(
    req: HttpRequest,
    sender: Sender,
    app: Data<App>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["at", "known_at"])?;
    let come = come(app.clock.now());
    let (at, known_at) = (query.read("at", &come)?, query.read("known_at", &come)?);
    if at.is_some() && known_at.is_some() {
        return Err(Problem::parameter("known_at", "give either at or known_at"));
    }
    let axis = if known_at.is_some() { Axis::Recorded } else { Axis::Effective };
    let at = at.or(known_at).unwrap_or(Moment(i64::MAX));
    let found = of_record(&req, &app, &sender, path.into_inner(), move |conn, record| {
        let found = state_at(conn, record.id, at, axis)?;
        Ok(found.and_then(|(change, state)| view(record, &change, &state)))
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

/// Every change of a record, newest first.
#[utoipa::path(
    get, path = "/api/v1/records/{type}/{id}/changes", tag = "Records", security(("key" = ["read"])),
    params(
        ("type" = String, Path, description = "The record's type."),
        ("id" = String, Path, description = "Its id within the type."),
        ("limit" = Option<i64>, Query, description = "1 to 1,000; 100 without it."),
        ("after" = Option<i64>, Query, description = "The cursor of the page before."),
    ),
    responses(
        (status = 200, description = "A page of changes.", body = ChangePage),
        (status = 400, description = "A parameter cannot be read.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such record of your source.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn changes(
    req: HttpRequest,
    sender: Sender,
    app: Data<App>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["limit", "after"])?;
    let (limit, after) = (query.limit()?, query.read("after", str::parse::<i64>)?);
    let found = of_record(&req, &app, &sender, path.into_inner(), move |conn, record| {
        let (versions, more) = history::page(conn, record.id, after, limit)?;
        let next = versions.last().filter(|_| more).map(|last| last.change.version.to_string());
        Ok(Some(ChangePage { items: versions.iter().map(change_view).collect(), next }))
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

fn change_view(version: &Version) -> ChangeView {
    let (change, private) = (&version.change, version.private.clone().unwrap_or_default());
    let class = class_from_code(change.class);
    // A source is not told of officers: neither who it was, nor what they wrote to each other.
    let restored = change.restores.is_some();
    let fields = version.fields.iter().map(|field| FieldView {
        path: field.path.clone(),
        old: field.old.as_deref().and_then(raw),
        new: field.new.as_deref().and_then(raw),
        sealed: field.sealed.is_some(),
    });
    ChangeView {
        seq: change.seq,
        version: change.version,
        source_ref: change.source_ref.clone(),
        action: Action::from_code(change.action).map_or("?", Action::text),
        class: class.map_or("?", class_text),
        changed_at: Moment(change.changed_at).to_string(),
        recorded_at: Moment(change.recorded_at).to_string(),
        actor: if restored { Some(OFFICER.to_owned()) } else { change.actor.clone() },
        reason: if restored { version.proposal.map(by_proposal) } else { private.reason },
        fields: fields.collect(),
        breaks: private.mismatches.iter().filter(|found| !is_of_sealed(found)).count(),
        restores: change.restores,
    }
}

/// What differs between two instants of a record.
#[utoipa::path(
    get, path = "/api/v1/records/{type}/{id}/difference", tag = "Records", security(("key" = ["read"])),
    params(
        ("type" = String, Path, description = "The record's type."),
        ("id" = String, Path, description = "Its id within the type."),
        ("from" = String, Query, description = "The first instant, RFC 3339 with an offset."),
        ("to" = Option<String>, Query, description = "The second; now without it."),
    ),
    responses(
        (status = 200, description = "What differs.", body = DifferenceView),
        (status = 400, description = "A parameter cannot be read.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such record of your source.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn difference(
    req: HttpRequest,
    sender: Sender,
    app: Data<App>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let query = Params::of(&req, &["from", "to"])?;
    let from =
        query.read("from", come(app.clock.now()))?.ok_or_else(|| Problem::parameter("from", "from: name the first instant"))?;
    let to = query.read("to", come(app.clock.now()))?.unwrap_or(Moment(i64::MAX));
    forwards(&from, &to, "to")?;
    let found = of_record(&req, &app, &sender, path.into_inner(), move |conn, record| {
        let one = state_at(conn, record.id, from, Axis::Effective)?.map(|(_, state)| state);
        let two = state_at(conn, record.id, to, Axis::Effective)?.map(|(_, state)| state);
        let nothing = State::default();
        let list = history::difference_for_sources(one.as_ref().unwrap_or(&nothing), two.as_ref().unwrap_or(&nothing));
        let sealed = |held: &Option<Held>| held.as_ref().is_some_and(|held| held.value.is_none());
        let fields = list.iter().map(|found| FieldView {
            path: found.path.clone(),
            old: value(found.from.as_ref()),
            new: value(found.to.as_ref()),
            sealed: sealed(&found.from) || sealed(&found.to),
        });
        Ok(Some(DifferenceView {
            from_version: one.as_ref().map(|state| state.version),
            to_version: two.as_ref().map(|state| state.version),
            fields: fields.collect(),
        }))
    });
    Ok(HttpResponse::Ok().json(found.await?))
}
