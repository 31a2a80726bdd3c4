//! `subject erase`, `subject hold add | release | list`

use std::io::Read;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::app::{LeaderError, PrivacyRequest, Request};
use crate::clock::{Moment, parse_date};
use crate::ids::Seq;
use crate::ledger::BusinessCalendar;
use crate::privacy::{self, EraseSubject, NOT_ERASABLE, PlaceHold, ReleaseHold, Scope};
use crate::trail::attempts::Outcome;

use super::{CliResult, Common, Done, acts, table, whoami};

/// An answer about an erasure comes after a whole number of these, so that the time it takes says
/// nothing about what was found.
const ANSWER_AFTER: Duration = Duration::from_secs(1);
/// Longest name that is read from stdin.
const NAME_MAX: u64 = 4_096;

/// What is stored of a customer: erase it, or hold it
#[derive(Debug, Args)]
pub(super) struct Subject {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Ask for everything private of an account or a holder to be erased. Two officers must approve,
    /// and a week goes by before it is carried out
    Erase {
        #[command(flatten)]
        whom: Whom,
        /// Why, in 20 to 2,000 characters
        #[arg(long)]
        reason: String,
    },
    /// Legal holds: nothing of their subjects is erased
    #[command(subcommand)]
    Hold(Hold),
}

#[derive(Debug, Subcommand)]
enum Hold {
    /// Place a hold; prints its number
    Add {
        #[command(flatten)]
        whom: Held,
        /// Why, in 20 to 2,000 characters
        #[arg(long)]
        reason: String,
    },
    /// Ask for a hold to be released; two officers must approve
    Release {
        /// The hold's number
        hold: Seq,
        /// Why, in 20 to 2,000 characters
        #[arg(long)]
        reason: String,
    },
    /// List the holds with their subjects. That they were listed is an event
    List,
}

/// What is held: a subject, or a span of time.
#[derive(Debug, Args)]
struct Held {
    /// The number of an account, the id of a record, or with --party the name of a holder; `-` reads it from stdin
    #[arg(long, value_name = "NAME", required_unless_present = "from")]
    subject: Option<String>,
    /// The subject is a holder, as entries name it in `party`
    #[arg(long, requires = "subject")]
    party: bool,
    /// Instead of a subject: whatever was recorded, booked or changed from this date (bank time) or instant on
    #[arg(long, value_name = "WHEN", conflicts_with = "subject", requires = "to")]
    from: Option<String>,
    /// Up to this date or instant, which is not held any more
    #[arg(long, value_name = "WHEN", requires = "from")]
    to: Option<String>,
}

impl Held {
    fn subject(self, common: &Common) -> anyhow::Result<privacy::Subject> {
        match (self.subject, self.from, self.to) {
            (Some(subject), ..) => Whom { subject, party: self.party }.subject(),
            (None, Some(from), Some(to)) => {
                let calendar = BusinessCalendar::new(&common.config()?.bank);
                let name = format!("{}/{}", instant(&calendar, &from)?, instant(&calendar, &to)?);
                Ok(privacy::Subject::new(Scope::Range, &name)?)
            }
            _ => anyhow::bail!("name the subject, or a span of time with --from and --to"),
        }
    }
}

/// An instant of RFC 3339, or the beginning of a date of the bank.
fn instant(calendar: &BusinessCalendar, text: &str) -> anyhow::Result<Moment> {
    if let Ok(date) = parse_date(text) {
        return Ok(calendar.day(date).0);
    }
    Moment::parse(text).map_err(|_| anyhow::anyhow!("`{text}` is neither a date nor an instant such as 2026-03-02T10:00:00Z"))
}

#[derive(Debug, Args)]
struct Whom {
    /// The number of the account, or with --party the name of the holder; `-` reads it from stdin,
    /// so that it stands in no list of processes
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// The subject is a holder, as entries name it in `party`
    #[arg(long)]
    party: bool,
}

impl Whom {
    fn subject(&self) -> anyhow::Result<privacy::Subject> {
        let scope = if self.party { Scope::Party } else { Scope::Account };
        let mut name = self.subject.clone();
        if name == "-" {
            name.clear();
            std::io::stdin().take(NAME_MAX).read_to_string(&mut name)?;
        }
        Ok(privacy::Subject::new(scope, &name)?)
    }
}

pub(super) fn run(common: &Common, command: Subject) -> CliResult {
    match command.action {
        Action::Erase { whom, reason } => erase(common, &whom, reason),
        Action::Hold(Hold::Add { whom, reason }) => {
            let subject = whom.subject(common)?;
            let hold = PlaceHold { subject: subject.clone(), reason, whence: whoami::of_this_process() };
            let id = ask(common, PrivacyRequest::PlaceHold(hold))?;
            say!("{id}");
            eprintln!("Hold {id} is placed: nothing of what it names is erased or dropped until it is released.");
            if !privacy::is_stored(&common.db()?.1, &subject)? {
                eprintln!(
                    "No account and no holder is stored under that name so far: check how it is written. The hold \
                     keeps what comes, and every change of a record that names it."
                );
            }
            Ok(Done::Well)
        }
        Action::Hold(Hold::Release { hold, reason }) => {
            let release = ReleaseHold { hold, reason, by: None, whence: whoami::of_this_process() };
            let id = ask(common, PrivacyRequest::ReleaseHold(release))?;
            eprintln!("Proposal {id}: two officers must approve it on page Approvals.");
            Ok(Done::Well)
        }
        Action::Hold(Hold::List) => list(common),
    }
}

/// Asks the leader, and lets the log go whatever comes of it.
fn ask(common: &Common, request: PrivacyRequest) -> anyhow::Result<Value> {
    let leader = common.leader()?;
    let answer = leader.perform(Request::Privacy(request));
    leader.close();
    Ok(answer?)
}

fn erase(common: &Common, whom: &Whom, reason: String) -> CliResult {
    let subject = whom.subject()?;
    let leader = common.leader()?;
    let asked = Instant::now();
    let erase = EraseSubject { subject, reason, by: None, whence: whoami::of_this_process() };
    let answer = leader.perform(Request::Privacy(PrivacyRequest::EraseSubject(erase)));
    let beyond = Duration::from_nanos((asked.elapsed().as_nanos() % ANSWER_AFTER.as_nanos()) as u64);
    std::thread::sleep(ANSWER_AFTER - beyond);
    leader.close();
    match answer {
        Ok(id) => {
            eprintln!("Proposal {id}: two officers must approve it on page Approvals; a week later it is carried out.");
            Ok(Done::Well)
        }
        Err(LeaderError::Request(refused)) if refused.code == NOT_ERASABLE => {
            eprintln!("{}", refused.detail);
            Ok(Done::Finding)
        }
        Err(error) => Err(error.into()),
    }
}

fn list(common: &Common) -> CliResult {
    let holds = acts::between(common, "hold.list", |leader| {
        let holds = leader.db().read(privacy::holds)?;
        acts::seen(leader, false, json!({ "list": "holds", "holds": holds.len() }))?;
        Ok((Outcome::Succeeded, holds))
    })?;
    let rows: Vec<Vec<String>> = holds
        .into_iter()
        .map(|hold| {
            let state = hold.released_at.map_or_else(|| "active".to_owned(), |at| format!("released {at}"));
            let subject = hold.subject.unwrap_or_else(|| "erased".to_owned());
            vec![hold.id.to_string(), hold.scope.text().to_owned(), subject, hold.placed_at.to_string(), state]
        })
        .collect();
    table::print(&["hold", "scope", "subject", "placed", "state"], &rows);
    Ok(Done::Well)
}
