//! Whether going back may be done in the bank's own table.

use crate::config::{Capture, CapturedTable, Config};

/// The table that a record came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The capture's name.
    pub capture: String,
    /// The table.
    pub table: CapturedTable,
}

/// What is offered to whoever restores a captured record.
#[derive(Clone, Debug, PartialEq)]
pub enum Offer {
    /// It may be done in the table.
    May(Box<Place>),
    /// It may not; why.
    Not(String),
}

impl Offer {
    /// The capture that would do it.
    pub fn capture(&self) -> Option<&String> {
        match self {
            Offer::May(from) => Some(&from.capture),
            Offer::Not(_) => None,
        }
    }
}

/// What the settings offer for a record of this source and type; `exists`: whether it was there in the state that it goes
/// back to. `None`: it was not captured.
pub fn offer(config: &Config, source: &str, kind: &str, exists: bool) -> Option<Offer> {
    let of: Vec<&Capture> = config.capture.iter().filter(|capture| capture.source() == source).collect();
    let tables = of.iter().flat_map(|capture| capture.table.iter().map(move |table| (*capture, table)));
    let tables: Vec<(&Capture, &CapturedTable)> = tables.filter(|(_, table)| table.kind == kind).collect();
    let not = |why: String| Some(Offer::Not(why));
    match &tables[..] {
        [] => None,
        [(capture, table)] => match (capture.restore_url.is_empty(), exists) {
            (true, _) => {
                not(format!("the settings of [[capture]] {} name no role that may write there (restore_url)", capture.name))
            }
            (false, false) => not("the record did not exist then, and no row is deleted there from here".to_owned()),
            (false, true) => Some(Offer::May(Box::new(Place { capture: capture.name.clone(), table: (*table).clone() }))),
        },
        _ => not("several captured tables have this type, and which one the record is in is not known".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_offered_where_a_role_may_write_and_the_table_is_known() {
        let table = |name: &str| CapturedTable { table: name.into(), kind: "customer".into(), ..CapturedTable::default() };
        let capture = vec![Capture { name: "core".into(), table: vec![table("a")], ..Capture::default() }];
        let mut config = Config { capture, ..Config::default() };
        let why = |config: &Config, exists| match offer(config, "core", "customer", exists) {
            Some(Offer::Not(why)) => why,
            Some(Offer::May(from)) => from.capture,
            None => String::new(),
        };
        assert!(why(&config, true).contains("restore_url"));
        config.capture[0].restore_url = "postgres://w@h/d".into();
        assert_eq!(why(&config, true), "core");
        assert!(why(&config, false).contains("no row is deleted"));
        assert_eq!((offer(&config, "core", "price", true), offer(&config, "other", "customer", true)), (None, None));
        config.capture[0].table.push(table("b"));
        assert!(why(&config, true).contains("several"));
    }
}
