//! `rules list | show | test | activate`

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::app::{Leader, Request};
use crate::approvals::Kind;
use crate::detect::{RULES, RuleSetBody, examples, rule};
use crate::intake::rules_in_force;

use super::propose::{self, Proposed, Proposer};
use super::{CliResult, Common, Done, table};

#[derive(Debug, Args)]
pub(super) struct Rules {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the rules in force, with their text
    List,
    /// Show a rule, or with no code the whole rule set in force as JSON
    Show {
        /// The rule's code, e.g. high-value
        code: Option<String>,
        /// The set that could follow it: one version on, with every rule that this program has
        #[arg(long, conflicts_with = "code")]
        next: bool,
    },
    /// Run every rule's own examples with its default parameters; exit code 1 if one fails
    Test,
    /// Bring a rule set into force (JSON as `rules show` prints it, version one higher). One that catches less
    /// than the present one is only submitted: a second person approves it
    Activate {
        /// The rule set
        file: PathBuf,
        #[command(flatten)]
        by: Proposer,
    },
}

pub(super) fn run(common: &Common, command: Rules) -> CliResult {
    match command.action {
        Action::List => list(common)?,
        Action::Show { code, next } => show(common, code.as_deref(), next)?,
        Action::Test => return test(),
        Action::Activate { file, by } => {
            let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            let body: RuleSetBody =
                serde_json::from_str(&text).with_context(|| format!("{} is not a rule set", file.display()))?;
            let leader = common.leader()?;
            let activated = activate(&leader, body, &by);
            leader.close();
            activated?;
        }
    }
    Ok(Done::Well)
}

fn activate(leader: &Leader, body: RuleSetBody, by: &Proposer) -> anyhow::Result<()> {
    let version = body.version;
    body.require_all().map_err(anyhow::Error::msg)?;
    body.compile(0).map_err(anyhow::Error::msg)?;
    let present = leader.db().read(rules_in_force)?;
    let (force, next) = (present.version, present.version + 1);
    anyhow::ensure!(version == next, "the rule set in force has version {force}; the new one must have version {next}");
    let loosens = present.loosened_by(&body);
    if loosens.is_empty() {
        leader.perform(Request::SetRules { body, reason: by.reason().to_owned() })?;
        eprintln!("Rule set {version} is in force.");
        return Ok(());
    }
    loosens.iter().for_each(|sentence| eprintln!("It catches less. {sentence}"));
    let facts = serde_json::json!({ "rules": body, "loosens": loosens });
    propose::submit(leader, by, Proposed { kind: Kind::LoosenRules, about: "rules".to_owned(), facts, detail: None })?;
    Ok(())
}

fn list(common: &Common) -> anyhow::Result<()> {
    let (_, db) = common.db()?;
    let body = db.read(rules_in_force)?;
    let set = body.compile(0).map_err(anyhow::Error::msg)?;
    let row = |active: &crate::detect::ActiveRule| {
        let mode = serde_json::json!(active.mode);
        let mode = mode.as_str().unwrap_or_default().replace('_', "-");
        vec![active.rule.code().to_owned(), mode, active.severity.text().to_owned(), active.check.text()]
    };
    say!("Rule set {}", set.version);
    table::print(&["rule", "mode", "severity", "text"], &set.rules.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn show(common: &Common, code: Option<&str>, next: bool) -> anyhow::Result<()> {
    let (_, db) = common.db()?;
    let body = db.read(rules_in_force)?;
    let Some(code) = code else {
        let body = if next { body.next() } else { body };
        say!("{}", serde_json::to_string_pretty(&body)?);
        return Ok(());
    };
    let rule = rule(code).with_context(|| format!("there is no rule `{code}`; see `rules list`"))?;
    say!("{} ({})", rule.title(), rule.code());
    say!("Typology: {}\nGrouping: {}\nSource:   {}", rule.typology(), rule.grouping(), rule.source());
    if let Some(entry) = body.rules.iter().find(|entry| entry.code == code) {
        let check = rule.compile(&entry.parameters).map_err(anyhow::Error::msg)?;
        say!("Text:     {}\nParameters (rule set {}): {}", check.text(), body.version, entry.parameters);
    }
    say!("Examples:");
    rule.example_names().iter().for_each(|name| say!("  {name}"));
    Ok(())
}

fn test() -> CliResult {
    let mut done = Done::Well;
    for rule in RULES {
        let check = rule.compile(&rule.defaults()).map_err(anyhow::Error::msg)?;
        let failing = examples::failing(*rule, check.as_ref());
        say!("{}: {} examples, {} failing", rule.code(), rule.example_names().len(), failing.len());
        for name in failing {
            say!("  fails: {name}");
            done = Done::Finding;
        }
    }
    Ok(done)
}
