//! Who did it, and whence.

use serde::{Deserialize, Serialize};

/// What kind of actor it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A customer of the bank.
    Customer,
    /// Someone who works there.
    Staff,
    /// A program.
    System,
}

/// Who did it, and whence. Everything here is private in the log; a session is an identifier, never a live token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Who acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor: Option<String>,
    /// What kind of actor.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor_kind: Option<ActorKind>,
    /// An identifier of the session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_id: Option<String>,
    /// The actor's IPv4 or IPv6 address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ip: Option<String>,
    /// The actor's user agent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_agent: Option<String>,
    /// The actor's device.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device_id: Option<String>,
}

impl Who {
    /// Whoever acts under this name.
    pub fn actor(name: impl Into<String>) -> Who {
        Who { actor: Some(name.into()), ..Who::default() }
    }

    /// What kind of actor it is.
    pub fn kind(self, kind: ActorKind) -> Who {
        Who { actor_kind: Some(kind), ..self }
    }

    /// In this session.
    pub fn session(self, id: impl Into<String>) -> Who {
        Who { session_id: Some(id.into()), ..self }
    }

    /// From this address.
    pub fn ip(self, address: impl ToString) -> Who {
        Who { ip: Some(address.to_string()), ..self }
    }

    /// With this user agent.
    pub fn user_agent(self, agent: impl Into<String>) -> Who {
        Who { user_agent: Some(agent.into()), ..self }
    }

    /// On this device.
    pub fn device(self, id: impl Into<String>) -> Who {
        Who { device_id: Some(id.into()), ..self }
    }
}
