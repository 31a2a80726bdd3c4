//! From instant to instant: the fewest chains, and loops that may still be turned.
//!
//! Entries that end where they began have no order of their own: which of their balances is the last
//! is seen only when something goes on from one of them. Until then they may be turned.

use super::chains::{Chain, Chains, GROUP_MAX, Leg};
use super::trails::{self, Solved};

impl Chains {
    /// What there was becomes the base of a later instant.
    pub(super) fn next_instant(&mut self, group: Vec<Leg>, tolerance: i64) {
        if !self.loops.is_empty() {
            let solved = trails::solve(&self.base, &self.group, tolerance);
            self.loops = std::mem::take(&mut self.loops).into_iter().filter_map(|l| self.still_loop(l, &solved)).collect();
        }
        self.loops.extend(self.fresh.drain(..).map(|legs| vec![legs]));
        while self.loops.iter().flatten().map(Vec::len).sum::<usize>() > GROUP_MAX {
            self.loops.remove(0);
        }
        self.base.clone_from(&self.chains);
        self.group = group;
    }

    /// A loop after its next instant, if it still ends where it begins.
    fn still_loop(&self, mut instants: Vec<Vec<Leg>>, solved: &Solved) -> Option<Vec<Vec<Leg>>> {
        let now = trails::chain_of(&instants.concat())?;
        let which = self.base.iter().position(|chain| *chain == now)?;
        let after = solved.chains.get(which)?;
        if *after != now {
            let legs = solved.continued.iter().find(|(base, _)| *base == which).map(|(_, legs)| legs.clone());
            instants.push(legs.filter(|_| after.end == now.end)?);
        }
        Some(instants)
    }

    /// The fewest chains that base and group can be; a loop is turned to begin and end where an
    /// entry of the group begins, if that leaves fewer.
    pub(super) fn solve(&mut self, tolerance: i64) {
        let mut solved = trails::solve(&self.base, &self.group, tolerance);
        for i in 0..self.loops.len() {
            for at in 0..self.group.len() {
                if solved.chains.len() == 1 {
                    break;
                }
                let Some((base, turned)) = self.turned(i, self.group[at].before) else { continue };
                let other = trails::solve(&base, &self.group, tolerance);
                if other.chains.len() < solved.chains.len() {
                    (solved, self.base, self.loops[i]) = (other, base, turned);
                }
            }
        }
        (self.chains, self.fresh) = (solved.chains, solved.loops);
    }

    /// The base with a loop turned to begin and end at `balance`, if all its instants pass there.
    fn turned(&self, which: usize, balance: i64) -> Option<(Vec<Chain>, Vec<Vec<Leg>>)> {
        let mut instants = self.loops[which].clone();
        let now = trails::chain_of(&instants.concat()).filter(|now| now.end != balance)?;
        for legs in &mut instants {
            let turn = legs.iter().position(|leg| leg.before == balance)?;
            legs.rotate_left(turn);
        }
        let turned = trails::chain_of(&instants.concat())?;
        let base = self.base.iter().map(|chain| if *chain == now { turned } else { *chain }).collect();
        Some((base, instants))
    }
}
