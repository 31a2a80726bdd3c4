//! Submissions that wait for their commit: kept whole until their batch is on its way, so that they
//! can be evaluated again when the batch before it is lost.

use crate::db::DbResult;

use super::engine::Engine;
use super::{Failed, Reply, Row, RowResult, Submission};

/// A submission evaluated into the open batch.
pub(super) struct Waiting {
    submission: Submission,
    pub results: Vec<RowResult>,
}

/// A sender, and what it is told after the commit.
pub(super) type Answer = (Reply, Vec<RowResult>);

impl Waiting {
    /// Its batch is sealed: only the answer is still owed, and the rows are not needed any more.
    pub fn answer(self) -> (Vec<Row>, Answer) {
        (self.submission.rows, (self.submission.reply, self.results))
    }
}

impl Engine {
    /// Evaluates a submission into the open batch; its sender is answered after the commit.
    ///
    /// # Errors
    /// When it cannot be evaluated. Half of it may be in the open batch, of which nothing can be kept;
    /// it waits with the others to be evaluated again.
    pub fn submit(&mut self, mut submission: Submission) -> DbResult<()> {
        self.hide_sessions(&mut submission);
        let mut results = Vec::new();
        let evaluated = self.evaluate(&mut submission, &mut results);
        self.waiting.push(Waiting { submission, results });
        evaluated
    }

    /// The same for one that was evaluated before.
    ///
    /// # Errors
    /// When it cannot be evaluated this time either; its sender has been told.
    pub fn submit_again(&mut self, mut submission: Submission) -> DbResult<()> {
        let mut results = Vec::new();
        match self.evaluate(&mut submission, &mut results) {
            Ok(()) => {
                self.waiting.push(Waiting { submission, results });
                Ok(())
            }
            Err(error) => {
                (submission.reply)(Err(Failed(format!("it could not be evaluated ({error})"))));
                Err(error)
            }
        }
    }

    /// Takes back what was evaluated into the open batch, in its order.
    pub fn take_back(&mut self) -> Vec<Submission> {
        let mut submissions = Vec::with_capacity(self.waiting.len());
        for Waiting { mut submission, results } in std::mem::take(&mut self.waiting) {
            for (row, result) in submission.rows.iter_mut().zip(&results) {
                // Private parts went from the row into the batch.
                if let (Ok(entry), RowResult::Recorded(receipt)) = (&mut row.entry, result)
                    && let Some(parts) = self.open.parts_of(receipt.seq)
                {
                    entry.parts = parts;
                }
            }
            submissions.push(submission);
        }
        submissions
    }

    /// Replaces live tokens by their digests, where the source sends such.
    fn hide_sessions(&self, submission: &mut Submission) {
        let Some(name) = self.sources.get(&submission.source).filter(|name| self.settings.hides_sessions(name)) else { return };
        let entries = submission.rows.iter_mut().filter_map(|row| row.entry.as_mut().ok());
        entries.for_each(|entry| self.settings.hide_session(name, &mut entry.context));
    }
}
