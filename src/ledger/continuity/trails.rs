//! Entries of one instant, in whatever order leaves the fewest chains.
//!
//! Seen as a graph whose nodes are balances and whose edges are the entries, the question is the
//! smallest set of trails that uses every edge once: walk on from each chain's end, then from the
//! balances that more entries leave than reach; what is left are closed loops, which are spliced
//! into a trail that passes through one of their balances (Hierholzer). Exact balances are joined
//! first; what then still stands apart is joined within the tolerance.

use std::collections::{BTreeMap, VecDeque};

use super::Leg;
use super::chains::Chain;

/// A walk: the legs used, by index, and the chain of `base` it continues.
struct Trail {
    base: Option<usize>,
    legs: Vec<usize>,
}

/// What entries of one instant come to.
#[derive(Debug, Default)]
pub(super) struct Solved {
    /// Those of `base`, continued or not, then the new ones.
    pub chains: Vec<Chain>,
    /// New ones that end where they begin: nothing says at which of their balances that is.
    pub loops: Vec<Vec<Leg>>,
    /// By what a chain of `base` goes on: its number and the legs.
    pub continued: Vec<(usize, Vec<Leg>)>,
}

/// The chains that result when the entries of `group`, all of one instant, follow those of `base`.
pub(super) fn solve(base: &[Chain], group: &[Leg], tolerance: i64) -> Solved {
    let mut trails = exact(base, group);
    if tolerance > 0 {
        join_within(base, group, tolerance, &mut trails);
    }
    let mut solved = Solved { chains: base.to_vec(), ..Solved::default() };
    for trail in &trails {
        let legs: Vec<Leg> = trail.legs.iter().map(|i| group[*i]).collect();
        match trail.base {
            Some(b) => {
                legs.iter().for_each(|leg| solved.chains[b].append(leg));
                solved.continued.push((b, legs));
            }
            None => {
                let Some(chain) = chain_of(&legs) else { continue };
                solved.chains.push(chain);
                if chain.first.before == chain.end && legs.iter().any(|leg| leg.before != chain.end) {
                    solved.loops.push(legs);
                }
            }
        }
    }
    solved
}

/// The legs of `group`, by index, in as few walks as they can be: the one that goes on from `start`
/// first, the others by their earliest leg.
pub(super) fn walks(start: Option<i64>, group: &[Leg], tolerance: i64) -> Vec<Vec<usize>> {
    let before = |start| Leg { seq: i64::MIN, at: i64::MIN, order: None, before: start, after: start, moved: None };
    let base: Vec<Chain> = start.map(|start| Chain::of(before(start))).into_iter().collect();
    let mut trails = exact(&base, group);
    if tolerance > 0 {
        join_within(&base, group, tolerance, &mut trails);
    }
    trails.sort_by_key(|trail| (trail.base.is_none(), trail.legs.iter().map(|leg| group[*leg].seq).min()));
    trails.into_iter().map(|trail| trail.legs).filter(|legs| !legs.is_empty()).collect()
}

/// The chain of legs that follow one another.
pub(super) fn chain_of(legs: &[Leg]) -> Option<Chain> {
    let (first, rest) = legs.split_first()?;
    let mut chain = Chain::of(*first);
    rest.iter().for_each(|leg| chain.append(leg));
    Some(chain)
}

/// Edges not walked yet, by the balance they leave; earliest in the log first.
type Edges = BTreeMap<i64, VecDeque<usize>>;

fn exact(base: &[Chain], group: &[Leg]) -> Vec<Trail> {
    let mut edges = Edges::new();
    for (i, leg) in group.iter().enumerate() {
        edges.entry(leg.before).or_default().push_back(i);
    }
    let mut trails = Vec::new();
    let mut order: Vec<usize> = (0..base.len()).collect();
    order.sort_by_key(|b| (base[*b].first.at, base[*b].first.seq));
    for b in order {
        let legs = walk(base[b].end, group, &mut edges);
        trails.push(Trail { base: Some(b), legs });
    }
    for start in surplus(group, &edges) {
        let legs = walk(start, group, &mut edges);
        trails.push(Trail { base: None, legs });
    }
    let mut cycles = Vec::new();
    // A loop begins with its earliest entry in the log, unless something says otherwise.
    while let Some((_, start)) = edges.iter().filter_map(|(balance, out)| out.front().map(|i| (*i, *balance))).min() {
        cycles.push(walk(start, group, &mut edges));
    }
    splice_all(base, group, &mut trails, cycles);
    trails.retain(|trail| !trail.legs.is_empty());
    trails
}

fn walk(mut at: i64, group: &[Leg], edges: &mut Edges) -> Vec<usize> {
    let mut legs = Vec::new();
    while let Some(i) = edges.get_mut(&at).and_then(VecDeque::pop_front) {
        legs.push(i);
        at = group[i].after;
    }
    legs
}

/// Balances that more of the remaining entries leave than reach, once per entry too many.
fn surplus(group: &[Leg], edges: &Edges) -> Vec<i64> {
    let mut excess: BTreeMap<i64, i64> = BTreeMap::new();
    for i in edges.values().flatten() {
        *excess.entry(group[*i].before).or_default() += 1;
        *excess.entry(group[*i].after).or_default() -= 1;
    }
    let starts = excess.into_iter().filter(|(_, n)| *n > 0);
    starts.flat_map(|(balance, n)| (0..n).map(move |_| balance)).collect()
}

/// Puts closed loops into trails; one may be reached only through another, so as long as any fits.
fn splice_all(base: &[Chain], group: &[Leg], trails: &mut Vec<Trail>, mut cycles: Vec<Vec<usize>>) {
    while !cycles.is_empty() {
        let before = cycles.len();
        cycles.retain(|cycle| !splice(base, group, trails, cycle));
        if cycles.len() == before {
            trails.push(Trail { base: None, legs: cycles.remove(0) });
        }
    }
}

/// Puts a closed loop into the first trail that passes through one of its balances, if one does.
fn splice(base: &[Chain], group: &[Leg], trails: &mut [Trail], cycle: &[usize]) -> bool {
    for trail in trails.iter_mut() {
        for (turn, leg) in cycle.iter().enumerate() {
            let balance = group[*leg].before;
            let starts_there = match (trail.base, trail.legs.first()) {
                (Some(b), _) => base[b].end == balance,
                (None, Some(first)) => group[*first].before == balance,
                (None, None) => false,
            };
            let passes = trail.legs.iter().position(|i| group[*i].after == balance);
            let at = if starts_there { Some(0) } else { passes.map(|i| i + 1) };
            if let Some(at) = at {
                let turned = cycle[turn..].iter().chain(&cycle[..turn]).copied();
                trail.legs.splice(at..at, turned);
                return true;
            }
        }
    }
    false
}

/// Joins trails whose ends and starts differ by no more than the tolerance, closest first.
fn join_within(base: &[Chain], group: &[Leg], tolerance: i64, trails: &mut Vec<Trail>) {
    for (b, _) in base.iter().enumerate() {
        if !trails.iter().any(|t| t.base == Some(b)) {
            trails.push(Trail { base: Some(b), legs: Vec::new() });
        }
    }
    loop {
        let end = |t: &Trail| match (t.legs.last(), t.base) {
            (Some(i), _) => Some(group[*i].after),
            (None, Some(b)) => Some(base[b].end),
            (None, None) => None,
        };
        let start = |t: &Trail| if t.base.is_some() { None } else { t.legs.first().map(|i| group[*i].before) };
        // Few trails begin here, but an account may have many chains.
        let starts: Vec<(usize, i64)> = trails.iter().enumerate().filter_map(|(to, b)| Some((to, start(b)?))).collect();
        let mut best: Option<(u64, usize, usize)> = None;
        for (from, a) in trails.iter().enumerate().filter(|_| !starts.is_empty()) {
            let Some(end) = end(a) else { continue };
            for (to, start) in starts.iter().filter(|(to, _)| *to != from) {
                let off = end.abs_diff(*start);
                if off <= tolerance.unsigned_abs() && best.is_none_or(|found| (off, from, *to) < found) {
                    best = Some((off, from, *to));
                }
            }
        }
        let Some((_, from, to)) = best else { return };
        let legs = std::mem::take(&mut trails[to].legs);
        trails[from].legs.extend(legs);
        trails.remove(to);
    }
}
