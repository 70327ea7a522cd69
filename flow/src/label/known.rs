//! What the numbers of rules stand for, and what was counted under each.

use super::{Decision, Hits, Label, LabelTotals, Labelled, RuleTotals};
use crate::{
    Sample,
    lens::Lens,
    rate::{Pulse, Ticks},
};
use netweir_wire::map::{Count, RULE_NUMBERS, RuleAction, RuleMark, Volume};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// Every rule that was told of or has decided, by its number; 0 stands for no rule.
///
/// There are no more of them than numbers, and no more labels than that.
#[derive(Debug)]
pub(crate) struct Known {
    rules: Vec<Option<Box<Ruled>>>,
    /// How often was told what rules are in force.
    rounds: u64,
    /// What was counted under numbers that other labels have got since, by label.
    former: HashMap<Arc<str>, (Label, Sums)>,
}

/// What one number stands for, and what was counted under it.
#[derive(Debug)]
struct Ruled {
    label: Option<Label>,
    action: RuleAction,
    in_force: bool,
    /// The round since which it stands for what it does.
    round: u64,
    since_ns: u64,
    sums: Sums,
    pulse: Pulse<1>,
    /// Live flows.
    flows: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: Count,
    dropped: Volume,
    spared: Volume,
    /// 0 while there was no packet.
    last_ns: u64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.dropped += other.dropped;
        self.spared += other.spared;
        self.last_ns = self.last_ns.max(other.last_ns);
    }

    fn hits(&self, lens: &Lens<'_>) -> Hits {
        Hits {
            count: lens.sampling.count(self.count),
            dropped: lens.sampling.volume(self.dropped),
            spared: lens.sampling.volume(self.spared),
            last_unix_ns: (self.last_ns > 0).then(|| lens.unix_ns(self.last_ns)),
            ..Hits::default()
        }
    }
}

impl Ruled {
    fn new(mark: RuleMark, now_ns: u64) -> Self {
        Self {
            label: None,
            action: mark.action(),
            in_force: mark == RuleMark::NONE,
            round: 0,
            since_ns: now_ns,
            sums: Sums::default(),
            pulse: Pulse::default(),
            flows: 0,
        }
    }

    fn hits(&self, lens: &Lens<'_>) -> Hits {
        Hits {
            rate: lens.sampling.rate(self.pulse.rate(lens.ticks, 0)),
            flows: self.flows,
            ..self.sums.hits(lens)
        }
    }
}

/// Totals by the name of the label.
#[derive(Default)]
struct Groups(HashMap<Option<Arc<str>>, LabelTotals>);

impl Groups {
    fn of(&mut self, label: Option<&Label>) -> &mut LabelTotals {
        let name = label.map(|label| Arc::clone(&label.name));
        self.0.entry(name).or_insert_with(|| LabelTotals {
            label: label.cloned(),
            rules: Vec::new(),
            hits: Hits::default(),
        })
    }
}

impl Known {
    /// Labels at most.
    const MAX_LABELS: usize = RULE_NUMBERS as usize;

    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            rules: vec![Some(Box::new(Ruled::new(RuleMark::NONE, now_ns)))],
            rounds: 0,
            former: HashMap::new(),
        }
    }

    /// Whether there ever was a rule.
    pub(crate) const fn has_rules(&self) -> bool {
        self.rules.len() > 1
    }

    fn get(&self, number: u16) -> Option<&Ruled> {
        self.rules.get(usize::from(number))?.as_deref()
    }

    /// The rule that a mark names; one that nobody has told of has no label.
    fn rule(&mut self, mark: RuleMark, now_ns: u64) -> &mut Ruled {
        let place = usize::from(mark.number());
        if place >= self.rules.len() {
            self.rules.resize_with(place + 1, || None);
        }
        self.rules[place].get_or_insert_with(|| Box::new(Ruled::new(mark, now_ns)))
    }

    /// Counts a sample. `drops` says whether the hook drops what a rule says is to be dropped.
    pub(crate) fn count(&mut self, sample: &Sample, drops: bool, now: (u64, Ticks)) {
        let rule = self.rule(sample.rule, now.0);
        let count = sample.counters.count();
        rule.sums.count += count;
        rule.sums.last_ns = rule.sums.last_ns.max(sample.counters.last_ns.min(now.0));
        rule.pulse.add(now.1, 0, count.volume());
        match sample.rule.action() {
            RuleAction::Drop if drops => rule.sums.dropped += count.volume(),
            RuleAction::Drop => rule.sums.spared += count.volume(),
            RuleAction::Count | RuleAction::Sample | RuleAction::Tap => {}
        }
    }

    /// One more flow is under the rule of a mark.
    pub(crate) fn add_flow(&mut self, mark: RuleMark, now_ns: u64) {
        self.rule(mark, now_ns).flows += 1;
    }

    /// One flow less is under the rule of a mark.
    pub(crate) fn remove_flow(&mut self, mark: RuleMark) {
        let place = self.rules.get_mut(usize::from(mark.number()));
        if let Some(Some(rule)) = place {
            rule.flows = rule.flows.saturating_sub(1);
        }
    }

    /// What a mark says of a flow; none where no rule has decided.
    pub(crate) fn decision(&self, mark: RuleMark) -> Option<Decision> {
        (mark != RuleMark::NONE).then(|| Decision {
            rule: mark.number(),
            action: mark.action(),
            label: self.label(mark).cloned(),
        })
    }

    /// Greater for a rule that decides now than for one that did before; no rule at all is always in
    /// force, and for the longest.
    pub(crate) fn age(&self, mark: RuleMark) -> (bool, u64) {
        let rule = self.get(mark.number());
        rule.map_or((false, 0), |rule| (rule.in_force, rule.round))
    }

    /// The label that the rule of a mark gives.
    pub(crate) fn label(&self, mark: RuleMark) -> Option<&Label> {
        self.get(mark.number())?.label.as_ref()
    }

    /// The numbers among those of `told` that flows bear with another label.
    pub(crate) fn renamed(&self, told: &[Labelled]) -> BTreeSet<u16> {
        let is_renamed = |one: &&Labelled| {
            let known = self.get(one.number).filter(|rule| rule.flows > 0);
            let label = known.and_then(|rule| rule.label.as_ref());
            label.is_some_and(|label| label.name != one.label.name)
        };
        told.iter()
            .filter(is_renamed)
            .map(|one| one.number)
            .collect()
    }

    /// Takes what rules are in force now. Those from before keep what they stand for, until their number
    /// is told of again.
    pub(crate) fn set(&mut self, told: &[Labelled], now_ns: u64) {
        self.rounds += 1;
        let rules = self.rules.iter_mut().skip(1).flatten();
        rules.for_each(|rule| rule.in_force = false);
        for one in told {
            if (1..RULE_NUMBERS).contains(&one.number) {
                self.tell(one, now_ns);
            }
        }
        self.forget();
    }

    fn tell(&mut self, told: &Labelled, now_ns: u64) {
        let round = self.rounds;
        let rule = self.rule(RuleMark::new(told.number, told.action), now_ns);
        if rule.label.as_ref() != Some(&told.label) {
            rule.round = round;
        }
        let before = rule.label.replace(told.label.clone());
        rule.action = told.action;
        rule.in_force = true;
        let Some(before) = before.filter(|before| before.name != told.label.name) else {
            return;
        };
        // The number belongs to somebody else now, and what was counted stays where it was.
        let sums = std::mem::take(&mut rule.sums);
        rule.pulse = Pulse::default();
        rule.since_ns = now_ns;
        let former = self.former.entry(Arc::clone(&before.name));
        former.or_insert((before, Sums::default())).1.add(&sums);
    }

    /// Lets go of labels that no number stands for any more, the oldest first, while there are too many.
    /// What was counted under them counts as unlabelled then.
    fn forget(&mut self) {
        if self.former.len() <= Self::MAX_LABELS {
            return;
        }
        let mut labels: Vec<Label> = self
            .former
            .values()
            .map(|(label, _)| label.clone())
            .collect();
        labels.sort_unstable_by_key(|label| label.id);
        labels.truncate(self.former.len() - Self::MAX_LABELS);
        for label in labels {
            if let Some((_, sums)) = self.former.remove(&label.name) {
                self.rule(RuleMark::NONE, 0).sums.add(&sums);
            }
        }
    }

    /// What was counted under each rule, by number.
    pub(crate) fn rule_totals(&self, lens: &Lens<'_>) -> Vec<RuleTotals> {
        let totals = self.numbered().map(|(number, rule)| RuleTotals {
            number,
            action: rule.action,
            label: rule.label.clone(),
            in_force: rule.in_force,
            since_unix_ns: lens.unix_ns(rule.since_ns),
            hits: rule.hits(lens),
        });
        totals.collect()
    }

    /// What was counted under each label, by name; what is unlabelled comes first.
    pub(crate) fn label_totals(&self, lens: &Lens<'_>) -> Vec<LabelTotals> {
        let mut groups = Groups::default();
        for (number, rule) in (0..).zip(&self.rules) {
            let Some(rule) = rule else { continue };
            let group = groups.of(rule.label.as_ref());
            group.hits.add(&rule.hits(lens));
            if rule.in_force && number > 0 {
                group.rules.push(number);
            }
        }
        for (label, sums) in self.former.values() {
            groups.of(Some(label)).hits.add(&sums.hits(lens));
        }
        let mut totals: Vec<LabelTotals> = groups.0.into_values().collect();
        let name =
            |totals: &LabelTotals| totals.label.as_ref().map(|label| Arc::clone(&label.name));
        totals.sort_by_cached_key(name);
        totals
    }

    fn numbered(&self) -> impl Iterator<Item = (u16, &Ruled)> {
        let rules = (0..).zip(&self.rules).skip(1);
        rules.filter_map(|(number, rule)| Some((number, rule.as_deref()?)))
    }
}
