//! The queue of alerts.

use actix_web::HttpRequest;
use actix_web::web::Query;

use crate::alerts::queue::{self, AlertFilter};
use crate::alerts::{Alert, AlertPage, CONTINUITY, Cursor, Order, State};
use crate::clock::Moment;
use crate::detect::{RULES, Severity};
use crate::reports::page::words::{counted, link, rule_title, words};
use crate::reports::{due_date, is_past_due};

use super::desk::{Desk, Page};
use super::errors::Trouble;
use super::fill;
use super::views::{AlertRow, AlertsPage, Chip, Choice, Empty, Pager};

/// Alerts of one page.
const PAGE: usize = 50;

/// The filter as it stands in the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    /// `None`: every state.
    state: Option<State>,
    severities: Vec<Severity>,
    rule: Option<String>,
    order: Order,
    after: Option<String>,
}

impl Wanted {
    /// What the page shows when nothing is asked for.
    fn first() -> Wanted {
        Wanted { state: Some(State::Open), order: Order::Gravest, ..Wanted::default() }
    }

    /// Reads the query; the error says what cannot be applied.
    fn parse(query: &str) -> Result<Wanted, String> {
        let pairs = Query::<Vec<(String, String)>>::from_query(query).map_err(|_| "The address cannot be read.".to_owned())?;
        let mut wanted = Wanted::first();
        for (name, value) in pairs.into_inner() {
            match (name.as_str(), value.as_str()) {
                ("status", "all") => wanted.state = None,
                ("status", text) => wanted.state = Some(State::parse(text).ok_or("The status is open, closed or all.")?),
                ("severity", text) => {
                    let severity = Severity::parse(text).ok_or("A severity is low, medium, high or critical.")?;
                    if !wanted.severities.contains(&severity) {
                        wanted.severities.push(severity);
                    }
                }
                ("rule", "") => {}
                ("rule", text) if known_rules().any(|code| code == text) => wanted.rule = Some(value),
                ("rule", _) => return Err("There is no such rule.".to_owned()),
                ("order", "gravest") => wanted.order = Order::Gravest,
                ("order", "newest") => wanted.order = Order::Newest,
                ("order", _) => return Err("The order is gravest or newest.".to_owned()),
                ("after", _) => wanted.after = Some(value),
                _ => return Err("The address holds a filter this page does not know.".to_owned()),
            }
        }
        Ok(wanted)
    }

    /// The address of the list with this filter, from its first page.
    fn href(&self) -> String {
        let status = self.state.map_or("all", State::text);
        let mut href = format!("/alerts?status={status}");
        for severity in &self.severities {
            href.push_str("&severity=");
            href.push_str(severity.text());
        }
        if let Some(rule) = &self.rule {
            href.push_str("&rule=");
            href.push_str(rule);
        }
        if self.order == Order::Newest {
            href.push_str("&order=newest");
        }
        href
    }

    fn filter(&self) -> AlertFilter {
        AlertFilter { state: self.state, severities: self.severities.clone(), rule: self.rule.clone(), ..AlertFilter::default() }
    }

    fn chips(&self) -> Vec<Chip> {
        let mut chips = Vec::new();
        if self.state != Some(State::Open) {
            let without = Wanted { state: Some(State::Open), ..self.clone() };
            chips.push(Chip { text: format!("Status: {}", self.state.map_or("all", State::text)), href: without.href() });
        }
        for severity in &self.severities {
            let left = self.severities.iter().copied().filter(|s| s != severity).collect();
            let without = Wanted { severities: left, ..self.clone() };
            chips.push(Chip { text: format!("Severity: {}", severity.text()), href: without.href() });
        }
        if let Some(rule) = &self.rule {
            let without = Wanted { rule: None, ..self.clone() };
            chips.push(Chip { text: format!("Rule: {}", rule_title(rule)), href: without.href() });
        }
        chips
    }
}

fn known_rules() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.code()).chain([CONTINUITY])
}

/// `GET /alerts`
pub(super) async fn list(desk: Desk, request: HttpRequest) -> Page {
    let (wanted, error) = match Wanted::parse(request.query_string()) {
        Ok(wanted) => (wanted, None),
        Err(error) => (Wanted::first(), Some(error)),
    };
    let (filter, order, after) = (wanted.filter(), wanted.order, wanted.after.clone());
    let (found, total) = desk
        .read(move |conn| {
            let after =
                after.map(|text| Cursor::parse(order, &text).ok_or(Trouble::Missing("That page of the list does not exist.")));
            let found = queue::list(conn, &filter, order, after.transpose()?, PAGE)?;
            Ok((found, queue::count(conn, &filter)?))
        })
        .await?;
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    let page = AlertsPage {
        chrome: desk.chrome("Alerts"),
        summary: format!("{}, {}.", counted(total, "alert matches", "alerts match"), order_words(order).to_lowercase()),
        orders: [Order::Gravest, Order::Newest].map(|o| choice(order_text(o), order_words(o), o == order)).to_vec(),
        caption: order_words(order).to_owned(),
        statuses: statuses(&wanted),
        severities: severities(&wanted),
        rules: rules(&wanted),
        chips: wanted.chips(),
        clear_href: "/alerts".to_owned(),
        error,
        pager: pager(&wanted, &found),
        rows: rows(&desk, &found.items),
        empty: empty(&wanted),
    };
    desk.show(&page)
}

/// Alerts as rows, with what is past due.
pub(super) fn rows(desk: &Desk, alerts: &[Alert]) -> Vec<AlertRow> {
    rows_at(desk, alerts, desk.now())
}

/// The same as they stood at an instant.
pub(super) fn rows_at(desk: &Desk, alerts: &[Alert], at: Moment) -> Vec<AlertRow> {
    let time = desk.time();
    let due = |alert: &Alert| due_date(&desk.app.calendar, alert.opened_at, alert.severity);
    alerts.iter().map(|alert| fill::alert_row(alert, overdue(desk, alert, at), due(alert), time, at)).collect()
}

/// Whether an open alert should have been decided before.
pub(super) fn overdue(desk: &Desk, alert: &Alert, at: Moment) -> bool {
    alert.state == State::Open && is_past_due(&desk.app.calendar, alert.opened_at, alert.severity, at)
}

fn pager(wanted: &Wanted, found: &AlertPage) -> Pager {
    Pager {
        shown: counted(i64::try_from(found.items.len()).unwrap_or(0), "alert on this page", "alerts on this page"),
        first: wanted.after.as_ref().map(|_| wanted.href()),
        next: found.next.map(|cursor| format!("{}&after={cursor}", wanted.href())),
    }
}

fn choice(value: &str, label: impl Into<String>, selected: bool) -> Choice {
    Choice { value: value.to_owned(), label: label.into(), help: String::new(), selected }
}

fn order_text(order: Order) -> &'static str {
    match order {
        Order::Gravest => "gravest",
        Order::Newest => "newest",
    }
}

fn order_words(order: Order) -> &'static str {
    match order {
        Order::Gravest => "The gravest first, of these the newest",
        Order::Newest => "The newest first",
    }
}

fn statuses(wanted: &Wanted) -> Vec<Choice> {
    let all = [(Some(State::Open), "open"), (Some(State::Closed), "closed"), (None, "all")];
    all.iter().map(|(state, text)| choice(text, words(text), wanted.state == *state)).collect()
}

fn severities(wanted: &Wanted) -> Vec<Choice> {
    let gravest_first = Severity::ALL.iter().rev();
    gravest_first.map(|s| choice(s.text(), words(s.text()), wanted.severities.contains(s))).collect()
}

fn rules(wanted: &Wanted) -> Vec<Choice> {
    let rule = |code| choice(code, rule_title(code), wanted.rule.as_deref() == Some(code));
    [choice("", "All rules", wanted.rule.is_none())].into_iter().chain(known_rules().map(rule)).collect()
}

fn empty(wanted: &Wanted) -> Empty {
    if wanted.chips().is_empty() {
        let text = "Every alert has been decided. New ones appear here as entries are recorded.";
        return Empty { title: "No open alert".to_owned(), text: text.to_owned(), action: None };
    }
    let text = "Remove a filter above, or clear them all.";
    Empty { title: "Nothing matches".to_owned(), text: text.to_owned(), action: Some(link("Clear all filters", "/alerts")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_filter_is_read_back_from_its_address() {
        let wanted = Wanted::parse("status=closed&severity=high&severity=critical&rule=high-value&order=newest").unwrap();
        assert_eq!(wanted.severities, [Severity::High, Severity::Critical]);
        let again = Wanted::parse(wanted.href().split_once('?').unwrap().1).unwrap();
        assert_eq!(again, wanted);
        assert_eq!(wanted.chips().len(), 4);
        assert_eq!(Wanted::parse("").unwrap().state, Some(State::Open));
        assert_eq!(Wanted::parse("status=open&rule=").unwrap(), Wanted::parse("").unwrap());
    }

    #[test]
    fn an_unknown_filter_is_said_and_not_ignored() {
        for query in ["status=late", "order=odd", "severity=9", "rule=%3Cb%3E", "account=1234"] {
            assert!(Wanted::parse(query).is_err(), "{query}");
        }
    }
}
