//! Places of the log as ranges: what one erasure took, in a form that can be hashed and kept anywhere.

use sha2::{Digest, Sha256};

use crate::ids::Seq;

/// Places, as disjoint ranges in order. Neighbours are one range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(Seq, Seq)>);

impl Ranges {
    /// Of places in any order, each counted once.
    pub fn of(mut places: Vec<Seq>) -> Ranges {
        places.sort_unstable();
        places.dedup();
        let mut ranges: Vec<(Seq, Seq)> = Vec::new();
        for place in places {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == place => *last = place,
                _ => ranges.push((place, place)),
            }
        }
        Ranges(ranges)
    }

    /// Of ranges as stored; `None` if they are not in order, overlap, or are empty or negative.
    pub fn stored(ranges: Vec<(Seq, Seq)>) -> Option<Ranges> {
        let whole = ranges.iter().all(|(first, last)| 0 <= *first && first <= last);
        let ordered = ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0);
        (whole && ordered).then_some(Ranges(ranges))
    }

    /// The text that is hashed: a line `first-last` for each range.
    pub fn text(&self) -> String {
        self.0.iter().map(|(first, last)| format!("{first}-{last}\n")).collect()
    }

    /// From [`Ranges::text`], lines or words.
    pub fn parse(text: &str) -> Option<Ranges> {
        let range = |word: &str| {
            let (first, last) = word.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        Ranges::stored(text.split_whitespace().map(range).collect::<Option<_>>()?)
    }

    /// SHA-256 of the text, in hex.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.text()))
    }

    /// Whether this place is among them.
    pub fn has(&self, place: Seq) -> bool {
        let at = self.0.partition_point(|(first, _)| *first <= place);
        at > 0 && place <= self.0[at - 1].1
    }

    /// The ranges, in order.
    pub fn list(&self) -> &[(Seq, Seq)] {
        &self.0
    }

    /// Every place, in order.
    pub fn all(&self) -> Vec<Seq> {
        self.0.iter().flat_map(|(first, last)| *first..=*last).collect()
    }

    /// How many places.
    pub fn places(&self) -> i64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn places_become_ranges_and_are_read_back() {
        let ranges = Ranges::of(vec![9, 3, 4, 5, 4, 12, 11]);
        assert_eq!(ranges.list(), [(3, 5), (9, 9), (11, 12)]);
        assert_eq!(ranges.text(), "3-5\n9-9\n11-12\n");
        assert_eq!(Ranges::parse(&ranges.text()), Some(ranges.clone()));
        assert_eq!(ranges.places(), 6);
        let has: Vec<Seq> = (0..15).filter(|place| ranges.has(*place)).collect();
        assert_eq!(has, [3, 4, 5, 9, 11, 12]);
        assert_eq!(Ranges::default().places(), 0);
        assert!(!Ranges::default().has(0));
    }

    #[test]
    fn what_is_not_in_order_is_no_list_of_ranges() {
        for text in ["5-3", "3-5 4-9", "3-5 6-9", "-1-2", "3", "a-b"] {
            assert_eq!(Ranges::parse(text), None, "{text}");
        }
    }
}
