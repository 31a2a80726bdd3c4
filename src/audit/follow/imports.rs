//! Import runs: what a finished one has counted. How far one under way has come is only noted.

use std::collections::{BTreeMap, HashMap};

use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;

use super::super::event::Event;
use super::super::findings::Findings;
use super::store::ImportRunRow;
use super::{extra, missing, same, store};

#[derive(Default)]
pub(super) struct Imports {
    runs: BTreeMap<String, Run>,
    sources: HashMap<Seq, String>,
    /// The digest of some run is erased, so that its row cannot be told from one that was added.
    erased: bool,
}

#[derive(Default)]
struct Run {
    finished: Option<Event>,
    /// Started since it was finished last.
    started: Vec<Event>,
}

impl Imports {
    pub(super) fn started(&mut self, event: &Event) {
        match event.private("digest").map(str::to_owned) {
            Some(digest) => self.runs.entry(digest).or_default().started.push(event.clone()),
            None => self.erased = true,
        }
    }

    pub(super) fn finished(&mut self, event: Event) {
        match event.private("digest").map(str::to_owned) {
            Some(digest) => drop(self.runs.insert(digest, Run { finished: Some(event), started: Vec::new() })),
            None => self.erased = true,
        }
    }

    /// The runs as they follow from the log.
    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        let row = |(digest, run): (&String, &Run)| {
            let blank = ImportRunRow {
                digest: digest.clone(),
                source: String::new(),
                rows_done: 0,
                recorded: 0,
                duplicates: 0,
                rejected: 0,
                hits: 0,
                state: String::new(),
                started_at: 0,
                updated_at: 0,
            };
            Some(self.expected(run, &blank)?.1)
        };
        bulk::append(conn, &self.runs.iter().filter_map(row).collect::<Vec<_>>())
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        self.sources = store::source_names(conn)?;
        for row in store::import_runs(conn)? {
            let run = self.runs.remove(&row.digest);
            match run.and_then(|run| self.expected(&run, &row)) {
                Some((seq, expected)) => same("import_runs", seq, &row, &expected, findings),
                None if self.erased => {}
                None => extra("import_runs", None, findings),
            }
        }
        let finished = self.runs.values().filter_map(|run| run.finished.as_ref());
        finished.for_each(|event| missing("import_runs", event.seq, findings));
        Ok(())
    }

    /// The row that a run must have; one under way need only have been started.
    fn expected(&self, run: &Run, row: &ImportRunRow) -> Option<(Seq, ImportRunRow)> {
        if row.state == "running" && !run.started.is_empty() {
            let at = |at: i64| run.started.iter().find(|event| event.at == at);
            let first = at(row.started_at).or(run.started.first())?;
            let last = at(row.updated_at).or(run.started.last())?;
            let source = self.sources.get(&first.number("source")).filter(|name| **name != row.source.trim());
            let source = source.unwrap_or(&row.source).clone();
            return Some((first.seq, ImportRunRow { source, started_at: first.at, updated_at: last.at, ..row.clone() }));
        }
        let event = run.finished.as_ref().or(run.started.first())?;
        let expected = ImportRunRow {
            digest: row.digest.clone(),
            source: event.text("name"),
            rows_done: event.number("read"),
            recorded: event.number("recorded"),
            duplicates: event.number("duplicates"),
            rejected: event.number("rejected"),
            hits: event.number("hits"),
            state: if run.finished.is_some() { "done".into() } else { "running".into() },
            started_at: event.number("started_at"),
            updated_at: event.at,
        };
        Some((event.seq, expected))
    }
}
