//! The rows that are measured: random accounts with unbroken balances, 1 % hits.

use std::collections::HashMap;

use counterfoil::clock::Moment;
use counterfoil::ledger::store::EntryRow;
use counterfoil::ledger::{Channel, Context, Direction, Kind, NewEntry, Parts, Status};
use counterfoil::money::Currency;

/// Random accounts, where all are known before.
const ACCOUNTS: u64 = 10_000;

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Whether the accounts of the rows are defined by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accounts {
    /// One row in twenty defines one.
    New,
    /// All of them were known before.
    Known,
}

/// Rows of a round.
pub struct Rows {
    /// To be recorded off the clock.
    pub before: Vec<NewEntry>,
    pub timed: Vec<NewEntry>,
}

impl Rows {
    /// `n` rows, not sent before in this `round`.
    pub fn of(n: usize, round: usize, accounts: Accounts) -> Rows {
        let mut stream = match accounts {
            Accounts::New => Stream::new((n as u64 / 20).max(1), round),
            Accounts::Known => Stream::new(ACCOUNTS, round),
        };
        let before = if accounts == Accounts::Known { stream.each() } else { Vec::new() };
        Rows { before, timed: stream.take(n) }
    }
}

/// Entries without end, a second apart.
pub struct Stream {
    random: Random,
    balances: HashMap<u64, i64>,
    accounts: u64,
    round: usize,
    sent: i64,
}

impl Stream {
    pub fn new(accounts: u64, round: usize) -> Stream {
        Stream { random: Random::new(round as u64 + 11), balances: HashMap::new(), accounts, round, sent: 0 }
    }

    pub fn take(&mut self, n: usize) -> Vec<NewEntry> {
        let usd = Currency::parse("USD").unwrap();
        let start = Moment::parse("2026-03-02T00:00:00Z").unwrap();
        (0..n).map(|_| self.next(usd, start)).collect()
    }

    /// One entry on each account.
    fn each(&mut self) -> Vec<NewEntry> {
        let usd = Currency::parse("USD").unwrap();
        let start = Moment::parse("2026-03-02T00:00:00Z").unwrap();
        (0..self.accounts).map(|account| self.on(account, usd, start)).collect()
    }

    fn next(&mut self, usd: Currency, start: Moment) -> NewEntry {
        let account = self.random.below(self.accounts);
        self.on(account, usd, start)
    }

    fn on(&mut self, account: u64, usd: Currency, start: Moment) -> NewEntry {
        let amount = if self.random.below(100) == 0 { 1_500_000 } else { 1 + self.random.below(900_000) as i64 };
        let before = *self.balances.entry(account).or_insert(0);
        self.balances.insert(account, before + amount);
        self.sent += 1;
        NewEntry {
            source_ref: format!("R{:016x}", self.random.below(u64::MAX)),
            account: format!("{:03}{account:012}", self.round),
            currency: usd,
            kind: Kind::Deposit,
            direction: Direction::Credit,
            amount,
            balance_before: Some(before),
            balance_after: Some(before + amount),
            booked_at: start.plus((self.sent - 1) * 1_000_000),
            value_date: None,
            business_date: None,
            transaction_ref: None,
            account_seq: None,
            context: Context {
                session_id: Some(format!("s{}", account % 500)),
                ip: Some(format!("10.0.{}.{}", account % 2, account % 250)),
                ..Context::default()
            },
            channel: Some(Channel::Online),
            instrument: None,
            reverses: None,
            status: Status::Booked,
            parts: Parts::default(),
        }
    }
}

/// The same entries as rows of the table, without anything decided.
pub fn stored(n: usize) -> Vec<EntryRow> {
    stored_from(0, Stream::new(ACCOUNTS, 0).take(n))
}

/// These entries as rows from the place `first` on.
pub fn stored_from(first: usize, entries: Vec<NewEntry>) -> Vec<EntryRow> {
    let rows = entries.into_iter().zip(first..);
    rows.map(|(entry, i)| EntryRow {
        seq: i as i64,
        recorded_at: entry.booked_at.0,
        source: 3,
        source_ref: entry.source_ref,
        account: entry.account.bytes().fold(7, |h, b| (h * 31 + i64::from(b)) % 1_000_003),
        position: 1,
        prev: Some(i as i64 / 2),
        jump: Some(i as i64 / 4),
        kind: entry.kind.code(),
        direction: entry.direction.code(),
        amount: entry.amount,
        currency: "USD".to_owned(),
        balance_before: entry.balance_before,
        balance_after: entry.balance_after,
        booked_at: entry.booked_at.0,
        value_date: None,
        business_date: 20_514,
        flags: 0,
        transaction_ref: None,
        account_seq: None,
        context: 5,
        delivery: 4,
        channel: Some(3),
        instrument: None,
        status: 1,
        reverses: None,
        rules: 1,
        outcomes: None,
        blind: vec![7; 16],
    })
    .collect()
}
