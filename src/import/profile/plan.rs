//! A profile bound to the columns of one file: rows in, entries out.

use std::collections::BTreeMap;

use crate::import::csv::Fields;
use crate::ledger::{Draft, NewEntry, Refusal};
use crate::money::Currency;

use super::condition::Test;
use super::layout::{Field, From, Layout, Signed};
use super::number::Numbers;
use super::time::Times;

/// The fields that hold money.
const MONEY: [&str; 3] = ["amount", "balance_before", "balance_after"];

/// Reads rows.
pub(in crate::import) struct Plan<'a> {
    profile: &'a str,
    numbers: &'a Numbers,
    times: &'a Times,
    skip: Vec<Test<'a>>,
    legs: Vec<BoundLeg<'a>>,
}

struct BoundLeg<'a> {
    when: Test<'a>,
    fields: Vec<BoundField<'a>>,
}

struct BoundField<'a> {
    name: &'a str,
    from: Source<'a>,
    map: Option<&'a BTreeMap<String, String>>,
    otherwise: Option<&'a str>,
    signed: Option<Signed>,
}

enum Source<'a> {
    Column(usize, &'a str),
    Constant(&'a str),
    Template(Vec<Piece<'a>>),
    Cases(Vec<(Test<'a>, &'a str)>),
}

enum Piece<'a> {
    Text(&'a str),
    Column(usize),
}

type Find<'f> = &'f dyn Fn(&str) -> Result<usize, String>;

impl<'a> Plan<'a> {
    /// Binds; an error names the columns that the file lacks.
    pub(super) fn new(profile: &'a str, layout: &'a Layout, columns: &[String]) -> Result<Plan<'a>, String> {
        let find = |name: &str| {
            let mut at = columns.iter().enumerate().filter(|(_, column)| *column == name).map(|(at, _)| at);
            match (at.next(), at.next()) {
                (Some(at), None) => Ok(at),
                (Some(_), Some(_)) => Err(format!("the header names `{name}` twice; profile {profile} needs it once")),
                (None, _) => Err(format!("the header lacks the column `{name}`, which profile {profile} needs")),
            }
        };
        let skip = layout.skip.iter().map(|condition| condition.bind(&find)).collect::<Result<_, _>>()?;
        let mut legs = Vec::with_capacity(layout.entry.len());
        for leg in &layout.entry {
            let common = layout.fields.iter().filter(|(name, _)| !leg.fields.contains_key(*name));
            let mut fields = Vec::new();
            for (name, field) in leg.fields.iter().chain(common) {
                fields.push(bind(name, field, &find)?);
            }
            // The currency's decimals are needed to read the money.
            fields.sort_by_key(|field| field.name != "currency");
            legs.push(BoundLeg { when: leg.when.bind(&find)?, fields });
        }
        Ok(Plan { profile, numbers: &layout.numbers, times: &layout.times, skip, legs })
    }

    /// The entries of a row; `None` when the profile skips it.
    pub fn entries(&self, row: &Fields) -> Result<Option<Vec<NewEntry>>, Refusal> {
        if self.skip.iter().any(|test| test.holds(row)) {
            return Ok(None);
        }
        let legs = self.legs.iter().filter(|leg| leg.when.holds(row));
        let entries = legs.map(|leg| self.entry(leg, row)).collect::<Result<Vec<_>, _>>()?;
        if entries.is_empty() {
            let detail =
                format!("no [[entry]] of profile {} fits this row; extend the profile, or [[skip]] such rows", self.profile);
            return Err(Refusal::whole("no_entry_fits", detail));
        }
        Ok(Some(entries))
    }

    fn entry(&self, leg: &BoundLeg<'_>, row: &Fields) -> Result<NewEntry, Refusal> {
        let mut draft = Draft::default();
        let mut sign = None;
        for field in &leg.fields {
            let Some(value) = self.value(field, row)? else { continue };
            let value = match field.name {
                "booked_at" => self.times.instant(value)?,
                "value_date" | "business_date" => self.times.date(field.name, value)?,
                name if MONEY.contains(&name) => {
                    let decimals = draft.currency.as_deref().and_then(|code| Currency::parse(code).ok());
                    let decimals = decimals.map_or(usize::MAX, |c| c.decimals() as usize);
                    let normal = if decimals == usize::MAX { None } else { self.numbers.normal(&value, decimals) };
                    let mut text = normal.unwrap_or(value);
                    if let Some(signed) = field.signed {
                        sign = Some(direction(signed, &mut text));
                    }
                    text
                }
                _ => value,
            };
            draft.set(field.name, value);
        }
        if draft.direction.is_none() {
            draft.direction = sign.map(str::to_owned);
        }
        draft.check().map_err(|refusal| with_column(refusal, leg))
    }

    fn value(&self, field: &BoundField<'_>, row: &Fields) -> Result<Option<String>, Refusal> {
        let raw = match &field.from {
            Source::Constant(text) => *text,
            Source::Column(at, _) => row.get(*at),
            Source::Template(pieces) => return Ok(fill(pieces, row)),
            Source::Cases(cases) => match cases.iter().find(|(test, _)| test.holds(row)) {
                Some((_, value)) => value,
                None => field.otherwise.ok_or_else(|| self.unmapped(field, "no case fits this row"))?,
            },
        };
        let value = match field.map.and_then(|map| map.get(raw)) {
            Some(meaning) => meaning,
            None if field.map.is_none() || raw.is_empty() => raw,
            None => {
                let shown: String = raw.chars().take(40).collect();
                field.otherwise.ok_or_else(|| self.unmapped(field, &format!("`{shown}` has no meaning in its map")))?
            }
        };
        Ok(Some(value.to_owned()).filter(|value| !value.is_empty()))
    }

    fn unmapped(&self, field: &BoundField<'_>, why: &str) -> Refusal {
        Refusal::field("value_unmapped", field.name, format!("{}: {why}; extend profile {}", field.name, self.profile))
    }
}

/// Takes the sign off an amount and says what it means.
fn direction(signed: Signed, amount: &mut String) -> &'static str {
    let negative = amount.starts_with('-');
    if negative {
        amount.remove(0);
    }
    if negative == (signed == Signed::NegativeIsDebit) { "debit" } else { "credit" }
}

fn fill(pieces: &[Piece<'_>], row: &Fields) -> Option<String> {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Column(at) => match row.get(*at) {
                "" => return None,
                value => out.push_str(value),
            },
        }
    }
    Some(out)
}

/// Names the column beside the field, because people know the file and not the contract.
fn with_column(mut refusal: Refusal, leg: &BoundLeg<'_>) -> Refusal {
    let field = leg.fields.iter().find(|field| Some(field.name) == refusal.field.as_deref());
    if let Some(BoundField { from: Source::Column(_, column), .. }) = field {
        refusal.detail.push_str(&format!(" (column {column})"));
    }
    refusal
}

fn bind<'a>(name: &'a str, field: &'a Field, find: Find<'_>) -> Result<BoundField<'a>, String> {
    let from = match &field.from {
        From::Column(column) => Source::Column(find(column)?, column),
        From::Constant(text) => Source::Constant(text),
        From::Template(text) => Source::Template(pieces(text, find)?),
        From::Cases(cases) => {
            let bound = cases.iter().map(|case| Ok((case.when.bind(find)?, case.value.as_str())));
            Source::Cases(bound.collect::<Result<_, String>>()?)
        }
    };
    Ok(BoundField { name, from, map: field.map.as_ref(), otherwise: field.otherwise.as_deref(), signed: field.signed })
}

fn pieces<'a>(template: &'a str, find: Find<'_>) -> Result<Vec<Piece<'a>>, String> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (column, after) =
            after.split_once('}').ok_or_else(|| format!("the template `{template}` has a {{ without its }}"))?;
        if !before.is_empty() {
            out.push(Piece::Text(before));
        }
        out.push(Piece::Column(find(column)?));
        rest = after;
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest));
    }
    Ok(out)
}
