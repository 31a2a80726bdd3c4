//! What is sent: entries in order, late, broken, twice, in conflict and unreadable, alone and
//! atomically, and acts between them; sent again until it is answered for good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Dice;
use crate::intake::{Failed, Refused, Row, RowResult};
use crate::ledger::Draft;

/// One thing that is sent.
#[derive(Clone)]
pub enum Command {
    Entries { rows: Vec<Value>, atomic: bool },
    Act,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Entries(Vec<RowResult>),
    Acted,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Waiting,
    Sent,
    Answered,
}

type Answers = Arc<Mutex<Vec<(usize, u32, Option<Answer>)>>>;

pub struct Client {
    pub commands: Vec<Command>,
    states: Vec<State>,
    attempts: Vec<u32>,
    arrived: Answers,
    /// Every answer that was given for good, with its attempt.
    pub answers: HashMap<usize, (u32, Answer)>,
}

impl Client {
    pub fn new(dice: &Dice) -> Client {
        let mut rows = Rows { balances: [0; 4], sent: Vec::new(), number: 0 };
        let commands: Vec<Command> = (0..8 + dice.roll(20)).map(|_| rows.command(dice)).collect();
        Client::of(commands)
    }

    pub fn of(commands: Vec<Command>) -> Client {
        let count = commands.len();
        let answers = HashMap::new();
        Client { commands, states: vec![State::Waiting; count], attempts: vec![0; count], arrived: Answers::default(), answers }
    }

    pub fn is_done(&self) -> bool {
        self.states.iter().all(|state| *state == State::Answered)
    }

    /// The next command to be sent, mostly in order.
    pub fn pick(&self, dice: &Dice) -> Option<usize> {
        let waiting: Vec<usize> = (0..self.states.len()).filter(|i| self.states[*i] == State::Waiting).take(4).collect();
        let sent = self.states.iter().filter(|state| **state == State::Sent).count();
        if waiting.is_empty() || sent >= 6 {
            return None;
        }
        Some(waiting[dice.roll(waiting.len() as u64) as usize])
    }

    /// Notes that a command is sent; answers which attempt it is.
    pub fn sent(&mut self, command: usize) -> u32 {
        self.states[command] = State::Sent;
        self.attempts[command] += 1;
        self.attempts[command]
    }

    /// The queue was full: nothing was taken.
    pub fn busy(&mut self, command: usize) {
        self.states[command] = State::Waiting;
        self.attempts[command] -= 1;
    }

    pub fn reply(&self, command: usize, attempt: u32) -> crate::intake::Reply {
        let arrived = self.arrived.clone();
        Box::new(move |results: Result<Vec<RowResult>, Failed>| {
            arrived.lock().unwrap().push((command, attempt, results.ok().map(Answer::Entries)));
        })
    }

    pub fn acted(&self, command: usize, attempt: u32) -> impl FnOnce(bool) + Send + use<> {
        let arrived = self.arrived.clone();
        move |well| arrived.lock().unwrap().push((command, attempt, well.then_some(Answer::Acted)))
    }

    /// Reads what was answered since.
    pub fn listen(&mut self) {
        for (command, attempt, answer) in std::mem::take(&mut *self.arrived.lock().unwrap()) {
            assert_eq!((self.states[command], self.attempts[command]), (State::Sent, attempt), "answered twice");
            match answer {
                Some(answer) => {
                    self.answers.insert(command, (attempt, answer));
                    self.states[command] = State::Answered;
                }
                None => self.states[command] = State::Waiting,
            }
        }
    }

    /// The process is gone: what was not answered will be sent again.
    pub fn disconnected(&mut self) {
        self.listen();
        self.states.iter_mut().filter(|state| **state == State::Sent).for_each(|state| *state = State::Waiting);
    }

    pub fn rows(&self, command: usize) -> Vec<Row> {
        let Command::Entries { rows, .. } = &self.commands[command] else { return Vec::new() };
        rows.iter().zip(1..).map(|(row, line)| read(line, row)).collect()
    }
}

fn read(line: u64, json: &Value) -> Row {
    let bytes = json.to_string().into_bytes();
    let entry = Draft::from_json(&bytes).and_then(Draft::check);
    Row { line, entry: entry.map_err(|refusal| Refused { refusal, bytes }), with_next: false }
}

/// Makes rows up.
struct Rows {
    balances: [i64; 4],
    sent: Vec<Value>,
    number: u64,
}

impl Rows {
    fn command(&mut self, dice: &Dice) -> Command {
        if dice.one_in(6) {
            return Command::Act;
        }
        let rows = (0..1 + dice.roll(4)).map(|_| self.row(dice)).collect();
        Command::Entries { rows, atomic: dice.one_in(4) }
    }

    fn row(&mut self, dice: &Dice) -> Value {
        if dice.one_in(15) {
            return json!({ "source_ref": 7 });
        }
        if let (true, false) = (dice.one_in(5), self.sent.is_empty()) {
            let mut again = self.sent[dice.roll(self.sent.len() as u64) as usize].clone();
            if dice.one_in(4) {
                again["transaction_ref"] = json!("another");
            }
            return again;
        }
        self.number += 1;
        let account = dice.roll(4) as usize;
        let amount = if dice.one_in(6) { 20_000 } else { 1 + dice.roll(50) as i64 };
        if dice.one_in(9) {
            self.balances[account] += 3;
        }
        let (before, late) = (self.balances[account], if dice.one_in(5) { 3 } else { 0 });
        self.balances[account] += amount;
        let minute = (self.number as i64 - late * 4).max(0);
        let mut row = json!({
            "source_ref": format!("R{}", self.number), "account": format!("A{account}"), "currency": "USD", "kind": "deposit",
            "amount": format!("{amount}.00"), "balance_before": format!("{before}.00"),
            "balance_after": format!("{}.00", before + amount),
            "booked_at": format!("2026-03-02T{:02}:{:02}:00Z", 8 + minute / 60, minute % 60),
            "session_id": format!("s{}", dice.roll(3)),
        });
        if dice.one_in(3) {
            row["reason"] = json!("rent");
        }
        self.sent.push(row.clone());
        row
    }
}
