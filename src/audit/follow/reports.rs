//! Stored reports with the digests of their bytes, control totals of feeds, and the last run of each job.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::Moment;
use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::ledger::feeds::store::ClosingRow;
use crate::money::{Currency, Money};
use crate::trail::store::JobRow;
use crate::trail::{contradicted, refusing, returned};

use super::super::L4;
use super::super::event::Event;
use super::super::findings::Findings;
use super::store::ReportRow;
use super::{extra, missing, same, store};

#[derive(Default)]
pub(super) struct Stored {
    pub(super) reports: BTreeMap<Seq, Event>,
    pub(super) closings: BTreeMap<Seq, Event>,
    /// By name of the job: the newest event that notes its run, and the body as stored.
    jobs: BTreeMap<String, (Event, String)>,
}

/// The job whose run an event notes, and when it began.
fn job_of(event: &Event) -> Option<(String, i64)> {
    match event.kind.as_str() {
        "log.verified" => Some(("verify".to_owned(), event.number("started_at"))),
        "night.passed" => Some(("nightly".to_owned(), event.number("came_at"))),
        returned::CONTRADICTED | returned::RETURNED => {
            // Those of before said no root, and left no row.
            let root = event.text("root");
            (!root.is_empty()).then(|| (contradicted::job_name(event.count("size"), &root), event.at))
        }
        refusing::REFUSED | refusing::AGREED => Some((refusing::job_name(&event.text("witness")), event.at)),
        _ => None,
    }
}

impl Stored {
    /// A job ran.
    pub(super) fn ran(&mut self, event: Event, body: &str) {
        if let Some((name, _)) = job_of(&event) {
            // One that fits tells something only where it once contradicted.
            if event.kind == returned::RETURNED && !self.jobs.contains_key(&name) {
                return;
            }
            self.jobs.insert(name, (event, body.to_owned()));
        }
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        self.compare_reports(conn, findings)?;
        self.compare_closings(conn, findings)?;
        self.compare_jobs(conn, findings)
    }

    /// Control totals and the last runs of jobs, as they follow from the log; of reports it holds
    /// the digests only.
    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        bulk::append(conn, &self.closings.values().flat_map(closing).collect::<Vec<_>>())?;
        bulk::append(conn, &self.jobs.values().filter_map(|(event, body)| run(event, body)).collect::<Vec<_>>())
    }

    /// One at a time: a report is large.
    fn compare_reports(&mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for (date, version) in store::report_keys(conn)? {
            let Some(row) = store::report(conn, date, version)? else { continue };
            let Some(event) = self.reports.remove(&row.seq) else {
                extra("reports", row.seq, findings);
                continue;
            };
            for (name, bytes) in [("body_sha256", &row.body), ("html_sha256", &row.html)] {
                if event.text(name) != hex::encode(Sha256::digest(bytes)) {
                    let detail = format!("its bytes do not have the {name} in the log; restore the report from a backup");
                    findings.add((L4, "report_differs"), "reports", row.seq, detail);
                }
            }
            same("reports", row.seq, &row, &expected_report(&event, &row), findings);
        }
        self.reports.keys().for_each(|seq| missing("reports", *seq, findings));
        Ok(())
    }

    fn compare_closings(&mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        let mut expected: BTreeMap<(Seq, String), ClosingRow> = BTreeMap::new();
        for event in self.closings.values() {
            expected.extend(closing(event).into_iter().map(|row| ((row.seq, row.currency.clone()), row)));
        }
        for row in store::closings(conn)? {
            match expected.remove(&(row.seq, row.currency.clone())) {
                Some(expected) => same("feed_closings", row.seq, &row, &expected, findings),
                None => extra("feed_closings", row.seq, findings),
            }
        }
        expected.keys().for_each(|(seq, _)| missing("feed_closings", *seq, findings));
        Ok(())
    }

    fn compare_jobs(&mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for row in store::jobs(conn)? {
            match self.jobs.remove(&row.name).and_then(|(event, body)| Some((event.seq, run(&event, &body)?))) {
                Some((seq, expected)) => same("jobs", seq, &row, &expected, findings),
                None => extra("jobs", None, findings),
            }
        }
        self.jobs.values().for_each(|(event, _)| missing("jobs", event.seq, findings));
        Ok(())
    }
}

fn run(event: &Event, body: &str) -> Option<JobRow> {
    let (name, started_at) = job_of(event)?;
    Some(JobRow { name, started_at, finished_at: Some(event.at), outcome: Some(body.to_owned()) })
}

/// The bytes are compared by their digests; when they were computed is said in them.
fn expected_report(event: &Event, row: &ReportRow) -> ReportRow {
    let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
    let computed = body["integrity"]["computed_at"].as_str().and_then(|text| Moment::parse(text).ok());
    let number = |field: &str| i32::try_from(event.number(field)).unwrap_or(-1);
    ReportRow {
        business_date: event.day("date").unwrap_or(i32::MIN),
        version: number("version"),
        status: event.text("status"),
        seq: event.seq,
        seq_from: event.number("seq_from"),
        seq_to: event.number("seq_to"),
        computed_at: computed.map_or(row.computed_at, |at| at.0),
        body: row.body.clone(),
        html: row.html.clone(),
        body_sha256: event.text("body_sha256"),
        html_sha256: event.text("html_sha256"),
    }
}

fn closing(event: &Event) -> Vec<ClosingRow> {
    let blank = ClosingRow {
        seq: event.seq,
        source: event.number("source"),
        business_date: event.day("business_date").unwrap_or(i32::MIN),
        currency: String::new(),
        entries: 0,
        debits: 0,
        credits: 0,
        received_at: event.at,
    };
    let Some(totals) = event.body["totals"].as_object().filter(|totals| !totals.is_empty()) else { return vec![blank] };
    let row = |(code, said): (&String, &Value)| {
        let currency = Currency::parse(code).ok();
        let minor = |field: &str| {
            let text = said[field].as_str().zip(currency);
            text.and_then(|(text, currency)| Money::parse_amount(text, currency).ok()).map_or(-1, Money::minor)
        };
        let (debits, credits) = (minor("debits"), minor("credits"));
        ClosingRow { currency: code.clone(), entries: said["count"].as_i64().unwrap_or(-1), debits, credits, ..blank.clone() }
    };
    totals.iter().map(row).collect()
}
