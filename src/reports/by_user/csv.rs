//! The report by user as CSV, RFC 4180.

use super::super::formats::{guarded, quoted};
use super::{ByUser, UserLine};

/// One line for each person under a header; how much was looked at is in the last one.
pub fn csv(report: &ByUser) -> String {
    let mut text = "user,name,role,views,subjects,searches,exports,reveals,changes,acts,refusals,source\r\n".to_owned();
    for line in &report.lines {
        let UserLine { views, subjects, searches, exports, reveals, changes, acts, refusals, .. } = line;
        let counts = [views, subjects, searches, exports, reveals, changes, acts, refusals].map(ToString::to_string);
        let user = line.user.map(|user| user.to_string()).unwrap_or_default();
        let head = [user, quoted(&guarded(&line.name)), line.role.to_owned()];
        let source = line.source.as_deref().map(|name| quoted(&guarded(name))).unwrap_or_default();
        text.push_str(&head.into_iter().chain(counts).chain([source]).collect::<Vec<_>>().join(","));
        text.push_str("\r\n");
    }
    if report.truncated || report.lines_total > report.lines.len() as i64 {
        text.push_str(",(not complete: ask for fewer days),,,,,,,,,,\r\n");
    }
    text
}
