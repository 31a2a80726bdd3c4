//! Mapping profiles: a bank's own CSV layout described in TOML, so that it is read without code.
//!
//! A profile says which column (or constant, template, or choice by condition) feeds each field of
//! an entry, what its values mean, how numbers and times are written, and which entries one row
//! makes. `docs/profiles.md` explains the keys; the shipped profiles in `profiles/` are named after the
//! layouts they read. Unknown keys and fields are refused when the profile is loaded, so that a
//! typing error is heard before the first row.

mod condition;
mod layout;
mod number;
mod plan;
mod time;

use std::path::Path;

pub(super) use plan::Plan;

use layout::Layout;

/// Profiles inside the binary: name and TOML.
const SHIPPED: &[(&str, &str)] = &[
    ("amlsim", include_str!("../../../profiles/amlsim.toml")),
    ("cardsim", include_str!("../../../profiles/cardsim.toml")),
    ("continuity", include_str!("../../../profiles/continuity.toml")),
    ("datasynth", include_str!("../../../profiles/datasynth.toml")),
    ("paysim", include_str!("../../../profiles/paysim.toml")),
    ("sparkov", include_str!("../../../profiles/sparkov.toml")),
    ("synthfin", include_str!("../../../profiles/synthfin.toml")),
];

/// Larger is no profile.
const BYTES_MAX: u64 = 1 << 20;

/// What is wrong with a profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither shipped nor a file.
    #[error("there is no profile `{name}`: {error}; shipped are {shipped}, or name a TOML file", shipped = names().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Why it is no file either.
        error: std::io::Error,
    },
    /// Too large for a profile.
    #[error("{0} is larger than 1 MiB; a profile is a short TOML file")]
    TooLarge(String),
    /// Not TOML, or a key that no profile has.
    #[error("profile {name}: {error}")]
    Toml {
        /// The profile.
        name: String,
        /// With line and column.
        error: Box<toml::de::Error>,
    },
    /// A value that cannot work.
    #[error("profile {name}: {detail}")]
    Refused {
        /// The profile.
        name: String,
        /// What and why.
        detail: String,
    },
}

/// A checked profile.
#[derive(Debug)]
pub struct Profile {
    name: String,
    text: String,
    layout: Layout,
}

impl Profile {
    /// A shipped profile by its name, or else the TOML file at that path.
    pub fn load(name_or_file: &str) -> Result<Profile, ProfileError> {
        if let Some((name, text)) = SHIPPED.iter().find(|(name, _)| *name == name_or_file) {
            return Profile::parse(name, text);
        }
        let unknown = |error| ProfileError::Unknown { name: name_or_file.to_owned(), error };
        let path = Path::new(name_or_file);
        if std::fs::metadata(path).map_err(unknown)?.len() > BYTES_MAX {
            return Err(ProfileError::TooLarge(name_or_file.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(unknown)?;
        let name = path.file_stem().map_or_else(|| name_or_file.to_owned(), |stem| stem.to_string_lossy().into_owned());
        Profile::parse(&name, &text)
    }

    /// Reads and checks TOML.
    pub fn parse(name: &str, text: &str) -> Result<Profile, ProfileError> {
        let layout: Layout =
            toml::from_str(text).map_err(|e| ProfileError::Toml { name: name.to_owned(), error: Box::new(e) })?;
        layout.check().map_err(|detail| ProfileError::Refused { name: name.to_owned(), detail })?;
        Ok(Profile { name: name.to_owned(), text: text.to_owned(), layout })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its TOML: part of a run's digest, because another mapping makes other entries.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// One line on what it reads.
    pub fn about(&self) -> &str {
        &self.layout.about
    }

    pub(super) fn delimiter(&self) -> Option<u8> {
        self.layout.file.delimiter.map(|d| d.0)
    }

    /// Binds the profile to the columns of a file; an error names what is missing.
    pub(super) fn plan(&self, columns: &[String]) -> Result<Plan<'_>, String> {
        Plan::new(&self.name, &self.layout, columns)
    }
}

/// The names of the shipped profiles, in order of the alphabet.
pub fn names() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

/// The shipped profiles whose header is this one: a hint, never a guess that is acted on.
pub(super) fn shipped_that_fit(columns: &[String]) -> Vec<&'static str> {
    let fits = |(name, text): &(&'static str, &str)| {
        let profile = Profile::parse(name, text).ok()?;
        (profile.layout.file.header == columns).then_some(*name)
    };
    SHIPPED.iter().filter_map(fits).collect()
}

#[cfg(test)]
mod tests;
