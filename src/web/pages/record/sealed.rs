//! Showing what is sealed of a record: once, on the page that answers, to who may and says why.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Deserialize;
use serde_json::json;

use crate::access::Permission;
use crate::approvals::checked_text;
use crate::ids::Seq;
use crate::records::{RevealRecord, Revealed};
use crate::reports::page::words::{counted, tag};
use crate::trail::keys::KeyFolder;
use crate::trail::store as trail;

use super::super::desk::{Desk, Page};
use super::super::errors::{Trouble, sentence};
use super::super::views::RecordSealed;
use super::{Asked, Shown, page, read};

/// Opening what is sealed, as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Opening {
    version: i64,
    reason: String,
}

/// `POST /records/{id}/reveal`: the page with what is sealed, once.
pub(in super::super) async fn reveal(desk: Desk, id: web::Path<Seq>, sent: web::Form<Opening>) -> Page {
    let (id, sent) = (*id, sent.into_inner());
    let asked = Asked { version: Some(sent.version), ..Asked::default() };
    let shown = desk.read(move |conn| read(conn, id, asked)).await?;
    let reason = match checked_text("reason", &sent.reason) {
        Ok(reason) => reason,
        Err(error) => {
            desk.viewed(json!({ "record": id, "version": sent.version })).await?;
            let mut page = page(&desk, &shown, asked);
            if let Some(form) = page.sealed.as_mut() {
                (form.reason, form.error) = (sent.reason, Some(sentence(&error.to_string())));
            }
            return desk.show_as(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    let keys = KeyFolder::of(&desk.app.config, desk.app.db.address());
    let origin = desk.read(|conn| Ok(trail::state(conn)?.ok_or(Trouble::NotWriting)?.origin)).await?;
    let whence = json!({ "ip": desk.peer });
    let wanted = RevealRecord { record: id, version: sent.version, user: desk.user()?, reason, whence };
    let opened = desk.record(move |log| wanted.run(log, &keys, &origin)).await?.map_err(|e| desk.fail(e.into()))?;
    let mut page = page(&desk, &shown, asked);
    page.sealed = None;
    for row in &mut page.values {
        match opened.get(&row.path) {
            Some(Revealed::Value(value)) => (row.value, row.tag) = (value.for_people(), Some(tag("Opened", "warn"))),
            Some(Revealed::Erased) => row.tag = Some(tag("Erased", "neutral")),
            None => {}
        }
    }
    desk.show(&page)
}

/// What a reader who may see it is asked before it is opened.
pub(super) fn form(desk: &Desk, shown: &Shown) -> Option<RecordSealed> {
    let (change, state) = shown.then.as_ref().filter(|_| desk.may(Permission::Reveal))?;
    let sealed = state.values.values().filter(|held| held.value.is_none()).count();
    (sealed > 0).then(|| RecordSealed {
        action: format!("/records/{}/reveal#state", shown.record.id),
        version: change.version.to_string(),
        fields: counted(sealed as i64, "value", "values"),
        ..RecordSealed::default()
    })
}
