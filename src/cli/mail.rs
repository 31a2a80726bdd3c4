//! `mail list | resend | acknowledge`

use clap::{Args, Subcommand};

use crate::app::Request;
use crate::notify::letters::{self, About, DeadLetter, Deed, Order, Ordered};

use super::{CliResult, Common, Done, table};

#[derive(Debug, Args)]
pub(super) struct Mail {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List mail that was given up, what nobody has dealt with first
    List,
    /// Have mail that was given up sent again
    Resend(Which),
    /// Acknowledge that mail was given up, and leave it
    Acknowledge(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// A Message-ID, as `mail list` prints it
    #[arg(value_name = "MESSAGE_ID", required_unless_present = "all", conflicts_with = "all")]
    mail: Option<String>,
    /// Every mail that was given up and is not acknowledged
    #[arg(long)]
    all: bool,
    /// Why, for the trail: 10 to 1,000 characters
    #[arg(long)]
    reason: String,
}

pub(super) fn run(common: &Common, command: Mail) -> CliResult {
    match command.action {
        Action::List => list(common)?,
        Action::Resend(which) => order(common, Deed::Resend, which)?,
        Action::Acknowledge(which) => order(common, Deed::Acknowledge, which)?,
    }
    Ok(Done::Well)
}

fn list(common: &Common) -> anyhow::Result<()> {
    let (_, db) = common.db()?;
    let found = db.read(letters::list)?;
    let headings = ["message id", "mail", "about", "recipient", "tries", "given up", "state", "last error"];
    table::print(&headings, &found.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn row(letter: &DeadLetter) -> Vec<String> {
    let about = |about: &About| match about {
        About::Alert(reference) => reference.clone(),
        About::Report(date, version) => format!("{date} v{version}"),
        About::Event(seq) => format!("event {seq}"),
    };
    let named: Vec<String> = letter.about.iter().map(about).collect();
    let more = letter.rows - named.len() as i64;
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    vec![
        letter.message_id.clone(),
        format!("{} {}", letter.rows, letter.kind),
        format!("{}{more}", named.join(", ")),
        letter.recipient.clone(),
        letter.tries.to_string(),
        letter.given_up.to_string(),
        if letter.acknowledged { "acknowledged" } else { "given up" }.to_owned(),
        letter.error.replace(['\r', '\n'], " "),
    ]
}

fn order(common: &Common, deed: Deed, which: Which) -> anyhow::Result<()> {
    let order = Order { deed, message_id: which.mail, reason: which.reason, user: None };
    let leader = common.leader()?;
    let result = leader.perform(Request::Letters(order));
    leader.close();
    let Ordered { mails, left } = serde_json::from_value(result?)?;
    let what = if deed == Deed::Resend { "wait again" } else { "are acknowledged" };
    eprintln!("{mails} of the mails that were given up {what}; {left} are left.");
    Ok(())
}
