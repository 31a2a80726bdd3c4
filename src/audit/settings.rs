//! The settings that breaks follow from: those that the log itself says were in force, and before it
//! says any, those of the caller.

use std::collections::HashMap;

use counterfoil_verify::EntryLeaf;
use serde::Deserialize;
use serde_json::Value;

use crate::clock::{MINUTE, Moment, day_number};
use crate::config::{Bank, Config, ContinuitySettings, Source};
use crate::db::{DbError, DbResult};
use crate::ledger::BusinessCalendar;
use crate::ledger::continuity::Strictness;
use crate::money::Currency;

/// Modes and tolerances by source name, the bank's days, and how long a break may stay open.
pub(super) struct Settings {
    sources: HashMap<String, Source>,
    calendar: BusinessCalendar,
    grace: i64,
    said: Value,
}

/// What `program.started` says of them.
#[derive(Deserialize)]
struct Said {
    bank: Bank,
    continuity: ContinuitySettings,
    source: Vec<Source>,
}

impl Settings {
    /// Those of the caller; refuses an amount that its currency cannot have.
    pub(super) fn read(config: &Config) -> DbResult<Settings> {
        let mut settings = Settings::of_sources(&config.source)?;
        settings.calendar = BusinessCalendar::new(&config.bank);
        settings.grace = i64::from(config.continuity.grace_minutes) * MINUTE;
        Ok(settings)
    }

    fn of_sources(sources: &[Source]) -> DbResult<Settings> {
        for source in sources {
            for code in source.tolerance.keys().chain(source.tolerance_per_day.keys()) {
                let read = Currency::parse(code).and_then(|currency| Strictness::of(Some(source), currency));
                read.map_err(|e| DbError::Unfit(format!("tolerances of source {}: {e}", source.name)))?;
            }
        }
        let sources = sources.iter().map(|source| (source.name.clone(), source.clone())).collect();
        Ok(Settings { sources, calendar: BusinessCalendar::new(&Bank::default()), grace: 0, said: Value::Null })
    }

    /// Learns what a start of the program says; answers whether anything is different now. Settings
    /// too large to be said leave those that were known before.
    pub(super) fn meet(&mut self, body: &Value) -> bool {
        let said = &body["settings"];
        if *said == self.said {
            return false;
        }
        let Ok(read) = Said::deserialize(said) else { return false };
        let Ok(mut fresh) = Settings::of_sources(&read.source) else { return false };
        fresh.calendar = BusinessCalendar::new(&read.bank);
        fresh.grace = i64::from(read.continuity.grace_minutes) * MINUTE;
        fresh.said = said.clone();
        *self = fresh;
        true
    }

    /// How strict the check of entries of `source` is. Every tolerance was read before.
    pub(super) fn of(&self, source: &str, currency: &str) -> Strictness {
        let read = Currency::parse(currency).and_then(|currency| Strictness::of(self.sources.get(source), currency));
        read.unwrap_or_default()
    }

    /// Until when a break that this entry opened may stay open: sources that know dates only get
    /// until the end of the business date.
    pub(super) fn due_at(&self, row: &EntryLeaf<'_>) -> i64 {
        let due = row.recorded_at.saturating_add(self.grace);
        let date = self.calendar.local_date(Moment(row.booked_at));
        let (midnight, end) = self.calendar.window(date);
        if midnight.0 != row.booked_at || day_number(date) != row.business_date { due } else { due.max(end.0) }
    }
}
