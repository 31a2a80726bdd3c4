//! Settings with a form of their own.

use serde::{Deserialize, Serialize};

/// A list of addresses, or one text with commas between them.
pub(super) fn addresses<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Listed {
        Text(String),
        List(Vec<String>),
    }
    Ok(match Listed::deserialize(from)? {
        Listed::List(list) => list,
        Listed::Text(text) => text.split(',').map(|a| a.trim().to_owned()).filter(|a| !a.is_empty()).collect(),
    })
}

/// The end of the business day: minutes after local midnight, 1 to 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOff(pub u32);

impl Serialize for CutOff {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{:02}:{:02}", self.0 / 60, self.0 % 60))
    }
}

impl<'de> Deserialize<'de> for CutOff {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<CutOff, D::Error> {
        let text = String::deserialize(from)?;
        let minutes = text.split_once(':').and_then(|(h, m)| {
            let (hours, minutes) = (h.parse::<u32>().ok()?, m.parse::<u32>().ok()?);
            (h.len() == 2 && m.len() == 2 && minutes < 60).then_some(hours * 60 + minutes)
        });
        match minutes {
            Some(minutes @ 1..=1440) => Ok(CutOff(minutes)),
            _ => Err(serde::de::Error::custom(format!("`{text}` is not a cut-off; write HH:MM from 00:01 to 24:00"))),
        }
    }
}
