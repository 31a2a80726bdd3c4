//! The closed vocabularies of an entry: a text in the contract, a small number in the leaf.
//!
//! The numbers are part of the log format (`docs/log-format.md`): never reuse one.

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant = $code),* }
        impl $name {
            /// Every value, in order of its code.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];
            /// The number in the leaf.
            pub fn code(self) -> i16 { self as i16 }
            /// The text of the contract.
            pub fn text(self) -> &'static str { match self { $($name::$variant => $text),* } }
            /// The value with this number.
            pub fn from_code(code: i16) -> Option<$name> { match code { $($code => Some($name::$variant),)* _ => None } }
            /// The value with this text.
            pub fn parse(text: &str) -> Option<$name> { match text { $($text => Some($name::$variant),)* _ => None } }
            /// Every text, for an error message.
            pub fn choices() -> String { [$($text),*].join(", ") }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.text()) }
        }
    };
}

codes! {
    /// What kind of movement an entry is.
    Kind {
        /// Money paid in.
        Deposit = 1 "deposit",
        /// Money taken out.
        Withdrawal = 2 "withdrawal",
        /// To or from another account.
        Transfer = 3 "transfer",
        /// A payment to a third party.
        Payment = 4 "payment",
        /// A card transaction.
        Card = 5 "card",
        /// A fee of the bank.
        Fee = 6 "fee",
        /// Interest.
        Interest = 7 "interest",
        /// A correction by the bank.
        Adjustment = 8 "adjustment",
        /// The cancelling of an earlier entry.
        Reversal = 9 "reversal",
    }
}

impl Kind {
    /// The direction when the sender states none; `None`: it must be stated.
    pub fn default_direction(self) -> Option<Direction> {
        match self {
            Kind::Deposit | Kind::Interest => Some(Direction::Credit),
            Kind::Withdrawal | Kind::Payment | Kind::Card | Kind::Fee => Some(Direction::Debit),
            Kind::Transfer | Kind::Adjustment | Kind::Reversal => None,
        }
    }
}

codes! {
    /// Which way the holder's balance moves.
    Direction {
        /// Lowers it.
        Debit = -1 "debit",
        /// Raises it.
        Credit = 1 "credit",
    }
}

impl Direction {
    /// The other way.
    pub fn opposite(self) -> Direction {
        if self == Direction::Credit { Direction::Debit } else { Direction::Credit }
    }

    /// `amount` with the sign of its effect on the balance.
    pub fn signed(self, amount: i64) -> i64 {
        if self == Direction::Credit { amount } else { -amount }
    }
}

codes! {
    /// Where the customer acted.
    Channel {
        /// At the counter.
        Branch = 1 "branch",
        /// A cash machine.
        Atm = 2 "atm",
        /// In a browser.
        Online = 3 "online",
        /// In an app.
        Mobile = 4 "mobile",
        /// With a card.
        Card = 5 "card",
        /// By a program.
        Api = 6 "api",
        /// In a bulk run.
        Batch = 7 "batch",
    }
}

codes! {
    /// What moved.
    Instrument {
        /// Notes and coins.
        Cash = 1 "cash",
        /// A bank transfer.
        Transfer = 2 "transfer",
        /// A card.
        Card = 3 "card",
        /// A cheque.
        Cheque = 4 "cheque",
        /// Anything else.
        Other = 5 "other",
    }
}

codes! {
    /// Who acted.
    ActorKind {
        /// The holder or someone for them.
        Customer = 1 "customer",
        /// An employee.
        Staff = 2 "staff",
        /// A program of the bank.
        System = 3 "system",
    }
}

codes! {
    /// Whether money moved.
    Status {
        /// It did.
        Booked = 1 "booked",
        /// It was refused or abandoned: outside continuity, totals and the first two rules.
        Attempted = 2 "attempted",
    }
}

codes! {
    /// What does not hold together.
    BreakKind {
        /// Before ± amount is not after.
        Arithmetic = 1 "arithmetic",
        /// An entry does not begin where an earlier one ended.
        Chain = 2 "chain",
        /// A gap in, or a repeat of, the sender's numbering.
        Sequence = 3 "sequence",
        /// A statement's balance is not ours.
        Statement = 4 "statement",
        /// The legs of a transaction do not sum to zero.
        Conservation = 5 "conservation",
        /// An entry from a source the account is not bound to.
        ForeignSource = 6 "foreign_source",
        /// A record's old state is not our last.
        Record = 7 "record",
        /// Roundings of a day add up to more than the cap.
        RoundingDrift = 8 "rounding_drift",
    }
}

/// The kind of the event by which a break is explained, be it of an entry or of a record.
pub const BREAK_EXPLAINED: &str = "break.explained";

codes! {
    /// What became of a break.
    BreakState {
        /// Nothing yet.
        Open = 1 "open",
        /// A later entry joined the chains.
        Healed = 2 "healed",
        /// Accepted with a reason by two people.
        Explained = 3 "explained",
        /// Too many open chains on the account: this one is no longer matched.
        Frozen = 4 "frozen",
    }
}
