//! Query parameters, read strictly: an unknown, repeated or unreadable one is a 400 that names it.

use actix_web::HttpRequest;
use actix_web::web::Query;
use chrono::NaiveDate;

use crate::clock::{MINUTE, Moment, backwards};
use crate::ids::Seq;

use super::problem::Problem;

/// Items of a list, when nothing else is asked for.
pub const LIMIT_DEFAULT: i64 = 100;
/// Items of a list at most.
pub const LIMIT_MAX: i64 = 1_000;

/// Days of a period at most.
pub const DAYS_MAX: i64 = 366;

/// The parameters of one request.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query; only `known` names may occur, each once.
    pub fn of(req: &HttpRequest, known: &[&str]) -> Result<Params, Problem> {
        Params::parse(req.query_string(), known)
    }

    fn parse(query: &str, known: &[&str]) -> Result<Params, Problem> {
        let read = Query::<Vec<(String, String)>>::from_query(query);
        let pairs = read.map_err(|_| Problem::parameter("query", "the query cannot be read; escape it as a URL"))?.into_inner();
        for (i, (name, _)) in pairs.iter().enumerate() {
            let shown: String = name.chars().take(40).collect();
            if !known.contains(&name.as_str()) {
                let takes = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Problem::parameter(&shown, format!("there is no parameter `{shown}` here; it takes {takes}")));
            }
            if pairs[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::parameter(&shown, format!("`{shown}` is given twice; give it once")));
            }
        }
        Ok(Params(pairs))
    }

    /// A parameter's text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A parameter through a reader, whose error becomes the detail.
    pub fn read<T, E: std::fmt::Display>(&self, name: &str, read: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, Problem> {
        let found = self.get(name).map(read).transpose();
        found.map_err(|e| Problem::parameter(name, format!("{name}: {e}")))
    }

    /// `limit`, from 1 to [`LIMIT_MAX`].
    pub fn limit(&self) -> Result<i64, Problem> {
        let read = |text: &str| match text.parse() {
            Ok(limit @ 1..=LIMIT_MAX) => Ok(limit),
            _ => Err(format!("a whole number from 1 to {LIMIT_MAX}")),
        };
        Ok(self.read("limit", read)?.unwrap_or(LIMIT_DEFAULT))
    }
}

/// `true` or `false`.
pub fn switch(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "true or false")
}

/// A cursor, or a place in the log.
pub fn place(text: &str) -> Result<Seq, &'static str> {
    text.parse().ok().filter(|seq| *seq >= 0).ok_or("a place as given by `next`")
}

/// Refuses a span that ends before it begins; `name` is the parameter of its end.
pub fn forwards<T: PartialOrd + std::fmt::Display>(from: &T, to: &T, name: &str) -> Result<(), Problem> {
    if from <= to { Ok(()) } else { Err(Problem::parameter(name, format!("{name}: {}", backwards(from, to)))) }
}

/// Refuses a period that ends before it begins or has more than [`DAYS_MAX`] days; `name` is the parameter of its last day.
pub fn days(from: NaiveDate, through: NaiveDate, name: &str) -> Result<(), Problem> {
    forwards(&from, &through, name)?;
    match (through - from).num_days() {
        0..DAYS_MAX => Ok(()),
        _ => Err(Problem::parameter(name, format!("{name}: from 1 to {DAYS_MAX} days; choose others"))),
    }
}

/// RFC 3339 with an offset.
pub fn moment(text: &str) -> Result<Moment, crate::clock::TimeError> {
    // A plus sign that was not escaped arrives as a blank.
    Moment::parse(&text.replace(' ', "+"))
}

/// How far an instant may be ahead of our clock: as far as a sender's may, and pickers give whole minutes.
const AHEAD: i64 = 5 * MINUTE;

/// Reads an instant that has come: nothing was so at one that is still to come.
pub fn come(now: Moment) -> impl Fn(&str) -> Result<Moment, String> {
    move |text| has_come(moment(text).map_err(|error| error.to_string())?, now)
}

/// Refuses an instant that has not come yet.
pub(super) fn has_come(at: Moment, now: Moment) -> Result<Moment, String> {
    match at.0 > now.0.saturating_add(AHEAD) {
        true => Err("that instant has not come yet; choose one up to now".to_owned()),
        false => Ok(at),
    }
}

/// A path as the value of a parameter.
pub(super) fn escaped(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn field(query: &str, read: impl Fn(&Params) -> Result<(), Problem>) -> Option<String> {
        let read = Params::parse(query, &["from", "limit"]).and_then(|p| read(&p));
        read.err().and_then(|problem| problem.field)
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert_eq!(field("nope=1", |_| Ok(())).as_deref(), Some("nope"));
        assert_eq!(field("limit=1&limit=2", |_| Ok(())).as_deref(), Some("limit"));
        for wrong in ["limit=0", "limit=1001", "limit=x", "limit="] {
            assert_eq!(field(wrong, |p| p.limit().map(drop)).as_deref(), Some("limit"), "{wrong}");
        }
        assert_eq!(field("from=2026-11-20", |p| p.read("from", moment).map(drop)).as_deref(), Some("from"));
    }

    #[test]
    fn what_can_be_used_is_read() {
        let params = Params::parse("limit=7&from=2026-11-20T01:00:00+01:00", &["from", "limit"]).unwrap();
        assert_eq!(params.limit().unwrap(), 7);
        assert_eq!(params.read("from", moment).unwrap(), Some(Moment::parse("2026-11-20T00:00:00Z").unwrap()));
        assert_eq!(Params::parse("", &[]).unwrap().limit().unwrap(), LIMIT_DEFAULT);
    }

    #[test]
    fn the_way_back_is_one_parameter() {
        assert_eq!(escaped("/reports/2026-11-20"), "/reports/2026-11-20");
        assert_eq!(escaped("/a?b&c=%20"), "/a%3Fb%26c%3D%2520");
    }
}
