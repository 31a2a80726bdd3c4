//! An import whose log is written by another process: its batches go through the inbox.

use std::sync::mpsc::sync_channel;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::import::{Batch, Begun, Finish, ImportError, Leader as ImportLeader, Local, RunRow, Ticket};
use crate::intake::{Intake, RowResult};
use crate::trail::ActError;

use super::App;
use super::inbox::{Leader, LeaderError};
use super::requests::Request;
use super::rows::{WireResult, WireRow};

impl ImportLeader for Leader {
    fn begin(&self, source: &str, digest: &str) -> Result<Begun, ImportError> {
        match self {
            Leader::Here(app, ..) => Local(&intake(app)?).begin(source, digest),
            Leader::Elsewhere(..) => {
                read(self.perform(Request::BeginImport { source: source.to_owned(), digest: digest.to_owned() }))
            }
        }
    }

    fn submit(&self, batch: Batch) -> Result<Ticket, ImportError> {
        if let Leader::Here(app, ..) = self {
            return Local(&intake(app)?).submit(batch);
        }
        let Batch { source, origin, history, rows } = batch;
        let rows = rows.iter().map(WireRow::from_row).collect();
        let results: Vec<WireResult> = read(self.perform(Request::Submit { source, origin, history, rows }))?;
        let (send, ticket) = sync_channel(1);
        let _ = send.send(Ok(results.into_iter().map(RowResult::from).collect()));
        Ok(ticket)
    }

    fn note(&self, run: RunRow) -> Result<(), ImportError> {
        match self {
            Leader::Here(app, ..) => Local(&intake(app)?).note(run),
            Leader::Elsewhere(..) => self.perform(Request::NoteImport(run)).map(drop).map_err(failed),
        }
    }

    fn finish(&self, finish: Finish) -> Result<(), ImportError> {
        match self {
            Leader::Here(app, ..) => Local(&intake(app)?).finish(finish),
            Leader::Elsewhere(..) => self.perform(Request::FinishImport(finish)).map(drop).map_err(failed),
        }
    }
}

fn intake(app: &App) -> Result<Intake, ImportError> {
    app.intake().map_err(|by| ImportError::from(ActError::refused(503, "stand_by", by.to_string())))
}

fn read<T: DeserializeOwned>(answer: Result<Value, LeaderError>) -> Result<T, ImportError> {
    let value = answer.map_err(failed)?;
    serde_json::from_value(value).map_err(|e| ImportError::from(ActError::refused(500, "inbox_answer", e.to_string())))
}

fn failed(error: LeaderError) -> ImportError {
    ImportError::from(ActError::refused(503, "leader", error.to_string()))
}
