//! Rows on their way in their order: each goes only when those before it are recorded, or refused for good.

use crate::answer::{Outcome, Problem, WireBatch};
use crate::error::Error;
use crate::row::Row;
use crate::transport::{Response, Transport};

/// Bytes of one request, about.
const BATCH_BYTES: usize = 1 << 20;
/// The code of a row that was refused only because another one of its request was.
const ABORTED: &str = "atomic_aborted";

/// What became of rows that were sent once.
#[derive(Debug)]
pub struct Delivered {
    /// Of the first rows, in their order.
    pub settled: Vec<Outcome>,
    /// Why the row after them is neither recorded nor refused; `None`: all rows are settled.
    pub stopped: Option<Error>,
}

/// What the server said of one request.
enum Said {
    /// Something of each row.
    Rows(Vec<Outcome>),
    /// It takes fewer at once.
    TooMany(Problem),
    /// Nothing that settles a row.
    Nothing(Error),
}

/// Sends rows in their order, stopping at the first that can be neither recorded nor refused now.
pub(crate) fn deliver(transport: &dyn Transport, rows: &[Row]) -> Delivered {
    let (mut settled, mut most) = (Vec::with_capacity(rows.len()), usize::MAX);
    while settled.len() < rows.len() {
        let rest = &rows[settled.len()..];
        let batch = &rest[..batch_len(rest, most)];
        match post(transport, batch) {
            Said::Rows(outcomes) => match settle(transport, batch, outcomes) {
                (some, None) => settled.extend(some),
                (some, Some(error)) => {
                    settled.extend(some);
                    return Delivered { settled, stopped: Some(error) };
                }
            },
            Said::TooMany(problem) if batch.len() == 1 => settled.push(Outcome::Refused(problem)),
            Said::TooMany(_) => most = batch.len() / 2,
            Said::Nothing(error) => return Delivered { settled, stopped: Some(error) },
        }
    }
    Delivered { settled, stopped: None }
}

/// How many rows go together: of one kind, and within the bounds of a request.
fn batch_len(rows: &[Row], most: usize) -> usize {
    let Some(kind) = rows.first().map(Row::kind) else { return 0 };
    let mut bytes = 0;
    let fit = |row: &&Row| {
        bytes += row.json().len() + 1;
        row.kind() == kind && bytes <= BATCH_BYTES
    };
    rows.iter().take(kind.rows_max().min(most)).take_while(fit).count().max(1)
}

/// Takes what was answered of a batch; what a refusal of others held back is sent again, without those.
fn settle(transport: &dyn Transport, batch: &[Row], mut outcomes: Vec<Outcome>) -> (Vec<Outcome>, Option<Error>) {
    let mut stopped = None;
    // Each turn refuses a row for good, or is the last.
    for _ in 0..=batch.len() {
        let waits = outcomes.iter().enumerate().find_map(|(at, outcome)| Some((at, temporary(outcome)?)));
        if let Some((at, error)) = waits {
            // It waits, and with it those after it; those before it may still be on their way.
            outcomes.truncate(at);
            stopped = Some(error);
        }
        let held: Vec<usize> = (0..outcomes.len()).filter(|at| is_aborted(&outcomes[*at])).collect();
        let Some(first) = held.first().copied() else { return (outcomes, stopped) };
        let rows: Vec<Row> = held.iter().map(|at| batch[*at].clone()).collect();
        let error = match post(transport, &rows) {
            Said::Rows(again) => {
                held.iter().zip(again).for_each(|(at, outcome)| outcomes[*at] = outcome);
                continue;
            }
            Said::TooMany(problem) => Error::Unexpected(problem.to_string()),
            Said::Nothing(error) => error,
        };
        outcomes.truncate(first);
        return (outcomes, Some(error));
    }
    outcomes.truncate(outcomes.iter().position(is_aborted).unwrap_or(outcomes.len()));
    (outcomes, Some(Error::Unexpected("the server aborts rows without refusing one".into())))
}

fn is_aborted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(problem) if problem.code == ABORTED)
}

/// Why a row must wait, if it must.
fn temporary(outcome: &Outcome) -> Option<Error> {
    match outcome {
        Outcome::Refused(problem) if problem.status >= 500 || problem.status == 429 => Some(Error::unavailable(problem)),
        _ => None,
    }
}

fn post(transport: &dyn Transport, rows: &[Row]) -> Said {
    let Some(first) = rows.first() else { return Said::Rows(Vec::new()) };
    let texts: Vec<&str> = rows.iter().map(Row::json).collect();
    match transport.post(first.kind().path(), &format!("[{}]", texts.join(","))) {
        Ok(response) => read(&response, rows.len()),
        Err(reason) => Said::Nothing(Error::unavailable(reason)),
    }
}

fn read(response: &Response, rows: usize) -> Said {
    if let Ok(batch) = serde_json::from_slice::<WireBatch>(&response.body)
        && matches!(response.status, 200 | 422)
    {
        let outcomes: Vec<Outcome> = batch.results.into_iter().map(Outcome::from).collect();
        return match outcomes.len() == rows {
            true => Said::Rows(outcomes),
            false => Said::Nothing(Error::Unexpected(format!("{} results for {rows} rows", outcomes.len()))),
        };
    }
    let problem = serde_json::from_slice::<Problem>(&response.body).ok();
    let (status, retry_after) = (response.status, response.retry_after);
    let mut reason = problem.as_ref().map_or_else(|| format!("status {status} without a reason"), ToString::to_string);
    if let Some(leader) = problem.as_ref().and_then(|problem| problem.leader.as_ref()) {
        reason.push_str(&format!("; {leader} leads, and is followed if the client is told that it is `also_at` there"));
    }
    match (status, problem) {
        (408 | 429 | 500..=599, _) => Said::Nothing(Error::Unavailable { reason, retry_after }),
        (401 | 403, Some(problem)) => Said::Nothing(Error::Denied(Box::new(problem))),
        (400 | 413 | 422, Some(problem)) => Said::TooMany(problem),
        _ => Said::Nothing(Error::Unexpected(reason)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::row::RowKind;

    /// Decides as the server does: each row by itself, and changes together or not at all.
    #[derive(Default)]
    struct Server {
        /// Status of the rows that are refused.
        refused: BTreeMap<String, u16>,
        /// References in the order in which they were recorded.
        log: Mutex<Vec<String>>,
        /// Rows it takes at once.
        most: usize,
    }

    impl Transport for Server {
        fn post(&self, path: &str, body: &str) -> Result<Response, String> {
            let rows: Vec<Value> = serde_json::from_str(body).unwrap();
            let answer =
                |status: u16, body: Value| Ok(Response { status, retry_after: None, body: body.to_string().into_bytes() });
            let problem = |status: u16, code: &str| json!({ "status": status, "code": code, "detail": "" });
            if rows.len() > self.most {
                return answer(413, problem(413, "batch_too_large"));
            }
            let of = |row: &Value| row["source_ref"].as_str().unwrap().to_owned();
            let atomic = path.contains("atomic");
            let none = atomic && rows.iter().any(|row| self.refused.contains_key(&of(row)));
            let mut log = self.log.lock().unwrap();
            let mut results = Vec::new();
            for reference in rows.iter().map(of) {
                let rejected = |problem: Value| json!({ "status": "rejected", "line": 1, "problem": problem });
                results.push(match self.refused.get(&reference) {
                    Some(status) => rejected(problem(*status, "no")),
                    None if none => rejected(problem(422, ABORTED)),
                    None => {
                        let status = if log.contains(&reference) { "duplicate" } else { "recorded" };
                        if status == "recorded" {
                            log.push(reference);
                        }
                        json!({ "status": status, "seq": log.len(), "leaf": "", "position": 1, "hits": [], "breaks": [] })
                    }
                });
            }
            answer(if none { 422 } else { 200 }, json!({ "results": results }))
        }
    }

    fn row(kind: RowKind, n: usize) -> Row {
        Row::parse(kind, &json!({ "source_ref": format!("R{n:03}") }).to_string()).unwrap()
    }

    fn changes(n: usize) -> Vec<Row> {
        (0..n).map(|n| row(RowKind::Change, n)).collect()
    }

    #[test]
    fn what_is_refused_for_good_does_not_hold_up_the_others() {
        let server = Server { refused: [("R001".into(), 422), ("R003".into(), 409)].into(), most: 1_000, ..Server::default() };
        let done = deliver(&server, &changes(5));
        assert!(done.stopped.is_none(), "{:?}", done.stopped);
        let refused: Vec<bool> = done.settled.iter().map(|outcome| matches!(outcome, Outcome::Refused(_))).collect();
        assert_eq!(refused, [false, true, false, true, false]);
        assert_eq!(*server.log.lock().unwrap(), ["R000", "R002", "R004"]);
    }

    #[test]
    fn a_change_that_must_wait_holds_back_those_after_it_and_only_those() {
        let server = Server { refused: [("R002".into(), 503)].into(), most: 1_000, ..Server::default() };
        let done = deliver(&server, &changes(5));
        assert_eq!(done.settled.len(), 2);
        assert!(matches!(done.stopped, Some(Error::Unavailable { .. })));
        assert_eq!(*server.log.lock().unwrap(), ["R000", "R001"]);
    }

    #[test]
    fn a_request_that_is_too_large_is_made_smaller_until_it_fits() {
        let server = Server { most: 3, ..Server::default() };
        let done = deliver(&server, &changes(10));
        assert!(done.stopped.is_none() && done.settled.len() == 10);
        let none = Server::default();
        let done = deliver(&none, &changes(2));
        assert!(done.settled.iter().all(|outcome| matches!(outcome, Outcome::Refused(problem) if problem.status == 413)));
    }

    #[test]
    fn an_answer_that_is_none_settles_nothing() {
        struct Odd(u16, &'static str);
        impl Transport for Odd {
            fn post(&self, _: &str, _: &str) -> Result<Response, String> {
                Ok(Response { status: self.0, retry_after: None, body: self.1.into() })
            }
        }
        let denied = r#"{"status":401,"code":"unauthenticated","detail":"no"}"#;
        for (odd, words) in [
            (Odd(200, "<html>"), "status 200 without a reason"),
            (Odd(200, r#"{"results":[]}"#), "0 results for 1 rows"),
            (Odd(404, "not here"), "status 404"),
            (Odd(502, "proxy"), "status 502"),
            (Odd(401, denied), "refused the key"),
            (Odd(422, "{}"), "status 422"),
        ] {
            let done = deliver(&odd, &changes(1));
            let stopped = done.stopped.unwrap();
            assert!(done.settled.is_empty() && stopped.is_temporary() && stopped.to_string().contains(words), "{stopped}");
        }
    }

    proptest! {
        /// Whatever is refused, and however the kinds are mixed: what is recorded stands in its order, each once, and
        /// what is settled is exactly what comes before the first row that must wait.
        #[test]
        fn order_is_kept_whatever_is_refused(
            rows in prop::collection::vec((any::<bool>(), 0_u8..12), 0..40),
            most in 1_usize..20,
        ) {
            let kinds = |entry: bool| if entry { RowKind::Entry } else { RowKind::Change };
            let all: Vec<Row> = rows.iter().enumerate().map(|(n, (entry, _))| row(kinds(*entry), n)).collect();
            // Entries have no refusal that passes by itself: the whole request is asked to wait then.
            let refused = rows.iter().enumerate().filter_map(|(n, (entry, fate))| match fate {
                0 | 1 => Some((format!("R{n:03}"), 422)),
                2 if !entry => Some((format!("R{n:03}"), 503)),
                _ => None,
            });
            let server = Server { refused: refused.collect(), most, ..Server::default() };
            let done = deliver(&server, &all);
            let waits = all.iter().position(|row| server.refused.get(row.source_ref()) == Some(&503)).unwrap_or(all.len());
            prop_assert_eq!(done.settled.len(), waits);
            prop_assert_eq!(done.stopped.is_some(), waits < all.len());
            let expected: Vec<&str> =
                all[..waits].iter().map(Row::source_ref).filter(|of| !server.refused.contains_key(*of)).collect();
            let log = server.log.lock().unwrap();
            prop_assert_eq!(log.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        }
    }
}
