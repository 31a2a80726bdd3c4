//! What a command can ask of whoever holds the log.

use std::sync::mpsc::sync_channel;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::keys::{self, IssueKey, RotateKey};
use crate::access::users::{self, AddUser, ResetPassword};
use crate::detect::RuleSetBody;
use crate::ids::Seq;
use crate::intake::{self, Delivery, DeliveryKind, Submission};
use crate::trail::ActError;

use super::App;
use super::rows::{WireResult, WireRow};

/// Work for the leader. Secrets are hashed before they get here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", content = "with", rename_all = "snake_case")]
#[allow(missing_docs)] // each names what it carries
pub enum Request {
    AddUser(AddUser),
    ResetPassword(ResetPassword),
    DisableUser { email: String },
    IssueKey(IssueKey),
    RotateKey(RotateKey),
    RevokeKey { prefix: String },
    SetRules { body: RuleSetBody, reason: String },
    EnsureSource { name: String },
    Submit { source: Seq, origin: String, history: bool, rows: Vec<WireRow> },
}

/// Why a request was not done.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct RequestError {
    /// Whether it could not be done at all, rather than being refused.
    pub failed: bool,
    /// Stable code of a refusal.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl RequestError {
    /// Something broke.
    pub fn failed(detail: String) -> RequestError {
        RequestError { failed: true, code: "failed".into(), detail }
    }
}

impl From<ActError> for RequestError {
    fn from(error: ActError) -> RequestError {
        match error {
            ActError::Refused { code, detail, .. } => RequestError { failed: false, code: code.into(), detail },
            other => RequestError::failed(other.to_string()),
        }
    }
}

/// Does what is asked; returns after the commit.
pub fn perform(app: &App, request: Request) -> Result<Value, RequestError> {
    let log = app.log();
    Ok(match request {
        Request::AddUser(add) => json!(add.run(&log)?),
        Request::ResetPassword(reset) => json!(reset.run(&log)?),
        Request::DisableUser { email } => json!(users::disable(&log, &email)?),
        Request::IssueKey(issue) => json!(issue.run(&log)?),
        Request::RotateKey(rotate) => json!(rotate.run(&log)?.prefix),
        Request::RevokeKey { prefix } => json!(keys::revoke(&log, &prefix)?),
        Request::SetRules { body, reason } => json!(intake::define_rules(&log, body, reason)?),
        Request::EnsureSource { name } => json!(log.act(move |tx| keys::ensure_source(tx, &name))?),
        Request::Submit { source, origin, history, rows } => submit(app, source, origin, history, rows)?,
    })
}

fn submit(app: &App, source: Seq, origin: String, history: bool, rows: Vec<WireRow>) -> Result<Value, RequestError> {
    let (send, receive) = sync_channel(1);
    let delivery = Delivery { kind: DeliveryKind::Import, api_key: None, origin: Some(origin) };
    let rows = rows.into_iter().map(WireRow::into_row).collect();
    let reply: intake::Reply = Box::new(move |results| {
        let _ = send.send(results);
    });
    let stopped = |e: String| RequestError::failed(e);
    let submission = Submission { source, delivery, rows, atomic: false, history, reply };
    app.intake.submit_wait(submission).map_err(|e| stopped(e.to_string()))?;
    let results = receive.recv().map_err(|e| stopped(e.to_string()))?.map_err(|e| stopped(e.to_string()))?;
    let results: Vec<WireResult> = results.into_iter().map(WireResult::from).collect();
    serde_json::to_value(results).map_err(|e| stopped(e.to_string()))
}
