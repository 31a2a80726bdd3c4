//! Roles, and what each may do.
//!
//! Duties are segregated: who administers sees no customer, who audits changes nothing, and nobody
//! may do everything.

/// What a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Works alerts.
    Analyst,
    /// Works alerts and signs reports.
    Officer,
    /// Reads everything, changes nothing.
    Auditor,
    /// Looks after users and keys; sees no customer.
    Admin,
}

/// What a page or an endpoint may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// What shows no customer: the state of the log, the sources and the rules, the handbook.
    ReadStatus,
    /// Daily reports.
    ReadReports,
    /// Sign a daily report.
    SignReports,
    /// Accounts, entries, contexts and alerts.
    ReadCustomers,
    /// Close an alert with a disposition.
    DecideAlerts,
    /// Every event of the log.
    ReadTrail,
    /// What users and commands attempted, counted.
    ReadActs,
    /// Take lists out of the house.
    Export,
    /// Users, their roles, and the keys of senders.
    ManageUsers,
    /// What was proposed and what became of it.
    ReadApprovals,
    /// Propose what somebody else must approve, and take it back.
    Propose,
    /// Propose that an entry is reversed, a record brought back or a break explained.
    Correct,
    /// Approve or refuse what somebody else proposed.
    Approve,
    /// Propose what is stored of a customer to be erased, place and release holds.
    KeepPrivacy,
    /// See what is sealed, for a reason that is recorded.
    Reveal,
    /// Have mail that was given up sent again, or acknowledge it.
    HandleMail,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Permission; 16] = [
        Permission::ReadStatus,
        Permission::ReadReports,
        Permission::SignReports,
        Permission::ReadCustomers,
        Permission::DecideAlerts,
        Permission::ReadTrail,
        Permission::ReadActs,
        Permission::Export,
        Permission::ManageUsers,
        Permission::ReadApprovals,
        Permission::Propose,
        Permission::Correct,
        Permission::Approve,
        Permission::KeepPrivacy,
        Permission::Reveal,
        Permission::HandleMail,
    ];
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 4] = [Role::Analyst, Role::Officer, Role::Auditor, Role::Admin];

    /// `officer`
    pub fn text(self) -> &'static str {
        match self {
            Role::Analyst => "analyst",
            Role::Officer => "officer",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.text() == text)
    }

    /// Every text, for an error message.
    pub fn choices() -> String {
        Role::ALL.map(Role::text).join(", ")
    }

    /// Whether the role may do it.
    pub fn may(self, permission: Permission) -> bool {
        use Permission as P;
        match permission {
            P::ReadStatus => true,
            P::ReadReports | P::ReadCustomers => self != Role::Admin,
            P::DecideAlerts => matches!(self, Role::Analyst | Role::Officer),
            P::SignReports | P::Correct | P::Approve | P::KeepPrivacy => self == Role::Officer,
            P::ReadTrail | P::Export | P::Reveal => matches!(self, Role::Officer | Role::Auditor),
            P::ManageUsers => self == Role::Admin,
            P::ReadApprovals | P::ReadActs => self != Role::Analyst,
            P::Propose | P::HandleMail => matches!(self, Role::Officer | Role::Admin),
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_back_as_written() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.text()), Some(role));
        }
        assert_eq!(Role::parse("Admin"), None);
    }

    #[test]
    fn duties_are_segregated() {
        use Permission as P;
        let granted = |role: Role| P::ALL.into_iter().filter(|p| role.may(*p)).collect::<Vec<_>>();
        assert_eq!(granted(Role::Analyst), [P::ReadStatus, P::ReadReports, P::ReadCustomers, P::DecideAlerts]);
        assert_eq!(
            granted(Role::Auditor),
            [P::ReadStatus, P::ReadReports, P::ReadCustomers, P::ReadTrail, P::ReadActs, P::Export, P::ReadApprovals, P::Reveal]
        );
        assert_eq!(
            granted(Role::Admin),
            [P::ReadStatus, P::ReadActs, P::ManageUsers, P::ReadApprovals, P::Propose, P::HandleMail]
        );
        let officer = granted(Role::Officer);
        assert!(officer.contains(&P::SignReports) && !officer.contains(&P::ManageUsers));
    }
}
