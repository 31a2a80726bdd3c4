//! The proof that an entry was an account's last at the close of a day, for an auditor to take away.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::NaiveDate;
use serde_json::json;

use crate::ids::Seq;
use crate::ledger::heads::{NoProof, prove};
use crate::ledger::store as ledger;

use super::super::desk::{Desk, Page};
use super::super::errors::Trouble;

/// One is made at a time: the entries of the whole log are read for it.
static UNDER_WAY: AtomicBool = AtomicBool::new(false);

struct Turn;

impl Turn {
    fn take() -> Option<Turn> {
        (!UNDER_WAY.swap(true, Ordering::AcqRel)).then_some(Turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        UNDER_WAY.store(false, Ordering::Release);
    }
}

fn date(text: &str) -> Result<NaiveDate, &'static str> {
    text.parse().map_err(|_| "a date as 2026-03-02")
}

impl From<NoProof> for Trouble {
    fn from(error: NoProof) -> Trouble {
        match error {
            NoProof::Db(error) => error.into(),
            error @ (NoProof::Contradiction(_) | NoProof::Differs { .. }) => Trouble::Altered(error.to_string()),
            error => Trouble::Refused { status: 409, code: "", detail: error.to_string() },
        }
    }
}

/// `GET /accounts/{id}/heads-proof?date=`
pub(in super::super) async fn download(desk: Desk, id: web::Path<Seq>, request: HttpRequest) -> Page {
    let id = *id;
    let asked = desk.asked(&request, &["date"], |query| query.read("date", date))?;
    let Some(date) = asked else { return Err(desk.refuse(400, "choose the business date: ?date=2026-03-02")) };
    let Some(turn) = Turn::take() else {
        return Err(desk.refuse(503, "another such proof is being made, which reads the whole log; try again in a minute"));
    };
    let proof = desk.read_freely(move |conn| {
        let _turn = turn;
        let account = ledger::account(conn, id)?.ok_or(Trouble::Missing("There is no such account."))?;
        Ok(prove(conn, date, &account.number, 0)?)
    });
    let proof = proof.await?;
    let rows = proof.heads.len();
    let what = json!({ "what": "account heads", "business_date": date.to_string(), "account": id, "rows": rows });
    desk.note("export.made", what).await?;
    let name = format!("attachment; filename=\"account-{id}-{date}.heads-proof\"");
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).insert_header((CACHE_CONTROL, "no-store"));
    Ok(response.insert_header((CONTENT_DISPOSITION, name)).body(proof.to_string()))
}
