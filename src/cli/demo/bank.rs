//! The demo bank's customers and what they do in a day. Always the same, whatever the clock says.

use crate::clock::{HOUR, MINUTE, Moment};
use crate::ledger::{ActorKind, Channel, Context, Direction, Instrument, Kind, NewEntry, Parts, Status};
use crate::money::Currency;

/// A small generator of numbers; nothing that needs real chance hangs on it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

struct Customer {
    account: String,
    party: String,
    balance: i64,
    device: String,
    ip: String,
}

/// The bank as its days go by.
pub(super) struct DemoBank {
    customers: Vec<Customer>,
    dice: Dice,
    currency: Currency,
    number: u64,
}

const CUSTOMERS: usize = 48;

impl DemoBank {
    pub fn new(currency: Currency) -> DemoBank {
        let mut dice = Dice(0x00c0_ffee_1234_5678);
        let customer = |n: usize| Customer {
            account: format!("DE{:02}5001051754{:08}", 10 + n % 89, 10_000_000 + n * 7_919),
            party: format!("P{:05}", 1_000 + n),
            balance: 50_000 + dice.below(900_000) as i64,
            device: format!("dev-{:04x}", dice.below(65_536)),
            ip: format!("203.0.113.{}", 1 + n % 200),
        };
        let customers = (0..CUSTOMERS).map(customer).collect();
        DemoBank { customers, dice, currency, number: 0 }
    }

    /// The entries of one day that begins at `midnight`, in order.
    pub fn day(&mut self, day: u32, midnight: Moment) -> Vec<NewEntry> {
        let mut entries = Vec::new();
        for who in 0..CUSTOMERS {
            for turn in 0..self.dice.below(5) {
                let at = midnight.plus((7 + 2 * turn as i64) * HOUR + self.dice.below(100) as i64 * MINUTE);
                entries.push(self.everyday(who, at));
            }
        }
        // Standing orders in the small hours, so that a day has begun whenever one looks.
        for who in (day as usize % 4..CUSTOMERS).step_by(6) {
            let amount = 4_000 + self.dice.below(9_000) as i64;
            let at = midnight.plus((5 + who as i64) * MINUTE);
            entries.push(self.entry(who, at, Kind::Transfer, Direction::Debit, amount, Channel::Batch, Instrument::Transfer));
        }
        match day % 10 {
            2 => entries.extend(self.burst(9, midnight.plus(22 * HOUR))),
            4 => self.lose_one(21),
            6 => entries.push(self.large_cash(3, midnight.plus(23 * HOUR))),
            8 => entries.push(self.large_transfer(14, midnight.plus(22 * HOUR))),
            _ => {}
        }
        entries.sort_by_key(|entry| entry.booked_at);
        self.fill_balances(&mut entries);
        entries
    }

    fn everyday(&mut self, who: usize, at: Moment) -> NewEntry {
        let amount = 500 + self.dice.below(45_000) as i64;
        match self.dice.below(6) {
            0 => self.entry(who, at, Kind::Deposit, Direction::Credit, amount * 3, Channel::Branch, Instrument::Cash),
            1 => self.entry(who, at, Kind::Withdrawal, Direction::Debit, amount, Channel::Atm, Instrument::Cash),
            2 | 3 => self.entry(who, at, Kind::Card, Direction::Debit, amount, Channel::Card, Instrument::Card),
            4 => self.entry(who, at, Kind::Transfer, Direction::Credit, amount * 2, Channel::Online, Instrument::Transfer),
            _ => self.entry(who, at, Kind::Payment, Direction::Debit, amount, Channel::Mobile, Instrument::Transfer),
        }
    }

    /// Eight small transfers in twenty minutes.
    fn burst(&mut self, who: usize, at: Moment) -> Vec<NewEntry> {
        let one = |bank: &mut DemoBank, n: i64| {
            let amount = 9_000 + bank.dice.below(900) as i64;
            bank.entry(
                who,
                at.plus(n * 150_000_000),
                Kind::Transfer,
                Direction::Debit,
                amount,
                Channel::Online,
                Instrument::Transfer,
            )
        };
        (0..8).map(|n| one(self, n)).collect()
    }

    fn large_cash(&mut self, who: usize, at: Moment) -> NewEntry {
        self.entry(who, at, Kind::Deposit, Direction::Credit, 1_450_000, Channel::Branch, Instrument::Cash)
    }

    fn large_transfer(&mut self, who: usize, at: Moment) -> NewEntry {
        self.entry(who, at, Kind::Transfer, Direction::Credit, 2_600_000, Channel::Online, Instrument::Transfer)
    }

    /// A movement that the sender never sends: the next entry does not follow.
    fn lose_one(&mut self, who: usize) {
        self.customers[who].balance += 12_345;
    }

    #[allow(clippy::too_many_arguments)] // one call site per kind of movement, each on one line
    fn entry(
        &mut self,
        who: usize,
        booked_at: Moment,
        kind: Kind,
        direction: Direction,
        amount: i64,
        channel: Channel,
        instrument: Instrument,
    ) -> NewEntry {
        self.number += 1;
        let customer = &self.customers[who];
        let online = matches!(channel, Channel::Online | Channel::Mobile);
        let session = format!("S{:06x}", (self.number * 7_919) & 0xff_ffff);
        NewEntry {
            source_ref: format!("DEMO-{:07}", self.number),
            account: customer.account.clone(),
            currency: self.currency,
            kind,
            direction,
            amount,
            balance_before: None,
            balance_after: None,
            booked_at,
            value_date: None,
            business_date: None,
            transaction_ref: None,
            account_seq: None,
            context: Context {
                session_id: online.then_some(session),
                ip: online.then(|| customer.ip.clone()),
                user_agent: None,
                device_id: online.then(|| customer.device.clone()),
                actor: Some(customer.party.clone()),
                actor_kind: Some(ActorKind::Customer),
            },
            channel: Some(channel),
            instrument: Some(instrument),
            reverses: None,
            status: Status::Booked,
            parts: Parts { party: Some(customer.party.clone()), ..Parts::default() },
        }
    }

    /// Balances before and after, in the order of booking.
    fn fill_balances(&mut self, entries: &mut [NewEntry]) {
        for entry in entries {
            let Some(customer) = self.customers.iter_mut().find(|c| c.account == entry.account) else { continue };
            entry.balance_before = Some(customer.balance);
            customer.balance += entry.signed();
            entry.balance_after = Some(customer.balance);
        }
    }
}
