//! Section B: what the sources announced and what came.

use crate::reports::{Report, Source, SourceState};

use super::super::words::{LocalTime, UNKNOWN, known_count, known_money, money, tag, words};
use super::super::{DailyReport, SourceSumRow, SourceTotals, Tag};

pub(super) fn fill(page: &mut DailyReport, from: &Report, time: LocalTime) {
    page.sources = from.sources.iter().map(|source| totals(source, time)).collect();
    page.source_sums = from.sources.iter().flat_map(sums).collect();
    page.sources_note = note(&from.sources);
}

fn note(sources: &[Source]) -> String {
    if sources.is_empty() {
        return "No source is known to this log yet.".to_owned();
    }
    let mut note = "Expected figures are those of a source's own end-of-day marker. A source without one is not announced; \
        one that sent nothing is not received, never zero."
        .to_owned();
    let mut codes: Vec<String> = Vec::new();
    for source in sources {
        codes.extend(source.rejected_by_code.iter().map(|(code, rows)| format!("{} {code}: {rows}", source.name)));
    }
    if !codes.is_empty() {
        note.push_str(" Rejected rows by reason: ");
        note.push_str(&codes.join("; "));
        note.push('.');
    }
    note
}

fn state(state: SourceState) -> Tag {
    let tone = match state {
        SourceState::Matched => "good",
        SourceState::Mismatch => "bad",
        SourceState::NotReceived => "warn",
        SourceState::NotAnnounced => "neutral",
    };
    tag(words(state.text()), tone)
}

fn totals(source: &Source, time: LocalTime) -> SourceTotals {
    let parts = [source.entries, source.attempted, source.rejected, source.duplicates];
    let received = source.entries.map(|_| parts.iter().flatten().sum());
    let accepted = source.entries.map(|entries| entries.saturating_add(source.attempted.unwrap_or(0)));
    SourceTotals {
        name: source.name.clone(),
        expected: known_count(source.expected),
        received: known_count(received),
        accepted: known_count(accepted),
        rejected: known_count(source.rejected),
        duplicates: known_count(source.duplicates),
        closed: source.closed_at.as_deref().map_or_else(|| UNKNOWN.to_owned(), |at| time.of_text(at)),
        state: state(source.state),
    }
}

fn sums(source: &Source) -> impl Iterator<Item = SourceSumRow> + '_ {
    source.currencies.iter().map(|(currency, sums)| SourceSumRow {
        name: source.name.clone(),
        currency: currency.clone(),
        debits_expected: known_money(sums.expected_debits.as_deref()),
        debits: money(&sums.debits),
        credits_expected: known_money(sums.expected_credits.as_deref()),
        credits: money(&sums.credits),
        state: state(sums.state),
    })
}
