//! [`Table`]: medians, spread and ratios, as text and as Markdown.

use std::fmt::Write;

use crate::cases::Case;
use crate::peers::{ALL, Who};
use crate::run::Run;

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    PerSecond,
    Nanos,
    Micros,
    Octets,
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Unit::PerSecond if value >= 1e6 => format!("{} M/s", digits(value / 1e6)),
            Unit::PerSecond if value >= 1e3 => format!("{} k/s", digits(value / 1e3)),
            Unit::PerSecond => format!("{} /s", digits(value)),
            Unit::Nanos => format!("{} ns", digits(value)),
            Unit::Micros => format!("{} us", digits(value)),
            Unit::Octets if value >= 1024.0 => format!("{} KiB", digits(value / 1024.0)),
            Unit::Octets => format!("{} B", digits(value)),
        }
    }
}

/// Shows three significant digits.
fn digits(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Returns the value below which the given part of the sorted samples lies.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64)
}

/// A median, and half the range between the quartiles as a fraction of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Middle {
    pub(crate) median: f64,
    spread: f64,
}

impl Middle {
    fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.first()?;
        let median = quantile(&sorted, 0.5);
        Some(Self { median, spread: (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / 2.0 / median })
    }
}

/// The results of a run.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    cases: &'a [Case],
    run: &'a Run,
    /// The lines above the table: machine, date, versions.
    about: Vec<String>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(cases: &'a [Case], run: &'a Run, about: Vec<String>) -> Self {
        Self { cases, run, about }
    }

    /// Returns the figure of an implementation in a row, if it never failed.
    pub(crate) fn middle(&self, case: &Case, who: Who) -> Option<Middle> {
        if self.run.failure(case, who).is_some() {
            return None;
        }
        Middle::of(self.run.samples(case, who))
    }

    fn cell(&self, case: &Case, who: Who) -> String {
        if !case.entrants.contains(&who) {
            return "-".into();
        }
        let Some(middle) = self.middle(case, who) else { return "failed".into() };
        format!("{} ±{:.0} %", case.figure.unit().show(middle.median), middle.spread * 100.0)
    }

    /// Returns this repository's advantage over another figure: above 1 it is ahead, in every row.
    fn ratio(&self, case: &Case, other: f64) -> Option<f64> {
        let own = self.middle(case, Who::Ours)?.median;
        Some(if case.figure.more_is_better() { own / other } else { other / own })
    }

    /// Returns the ratio to the best peer. It is refused if a peer failed, or if its version is not the one in the head.
    fn to_best(&self, case: &Case) -> String {
        let peers: Vec<_> = case.entrants.iter().copied().filter(|who| who.is_peer()).collect();
        if peers.is_empty() {
            return "-".into();
        }
        let ratio = |who: &Who| {
            let sound = self.run.refusal(*who).is_none();
            self.ratio(case, self.middle(case, *who).filter(|_| sound)?.median)
        };
        let ratios: Option<Vec<f64>> = peers.iter().map(ratio).collect();
        let Some(ratios) = ratios else { return "refused".into() };
        format!("{:.2}", ratios.into_iter().fold(f64::INFINITY, f64::min))
    }

    fn to_raw(&self, case: &Case) -> String {
        if !case.entrants.contains(&Who::Raw) {
            return "-".into();
        }
        let ratio = self.middle(case, Who::Raw).and_then(|raw| self.ratio(case, raw.median));
        ratio.map_or("refused".into(), |ratio| format!("{ratio:.2}"))
    }

    fn head(&self) -> Vec<String> {
        let names = ALL.iter().map(|who| format!("{} {}", who.name(), who.version()).trim().to_string());
        let mut head = vec!["case".to_string()];
        head.extend(names);
        head.extend(["to best peer".into(), "to raw".into()]);
        head
    }

    fn row(&self, case: &Case) -> Vec<String> {
        let mut row = vec![case.label.clone()];
        row.extend(ALL.iter().map(|who| self.cell(case, *who)));
        row.extend([self.to_best(case), self.to_raw(case)]);
        row
    }

    /// Returns a line for each failure.
    fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = Vec::new();
        for who in ALL {
            faults.extend(self.run.refusal(who).map(|why| format!("{}: {why}; no ratio to it", who.name())));
        }
        for case in self.cases {
            for who in ALL {
                let failure = self.run.failure(case, who);
                faults.extend(failure.map(|why| format!("{}: {} failed: {why}", case.title(), who.name())));
            }
        }
        faults
    }

    /// Returns the rows of each group together.
    fn groups(&self) -> Vec<(&'static str, Vec<Vec<String>>)> {
        let mut groups: Vec<(&'static str, Vec<Vec<String>>)> = Vec::new();
        for case in self.cases {
            if groups.last().is_none_or(|(group, _)| *group != case.group) {
                groups.push((case.group, Vec::new()));
            }
            if let Some((_, rows)) = groups.last_mut() {
                rows.push(self.row(case));
            }
        }
        groups
    }

    pub(crate) fn text(&self) -> String {
        let (head, groups) = (self.head(), self.groups());
        let rows = groups.iter().flat_map(|(_, rows)| rows).chain([&head]);
        let mut widths = vec![0; head.len()];
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let line = |cells: &[String]| {
            let pad = |(at, (cell, width)): (usize, (&String, &usize))| match at {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            };
            let cells: Vec<_> = cells.iter().zip(&widths).enumerate().map(pad).collect();
            cells.join("  ")
        };
        let mut out = self.about.join("\n");
        let _ = writeln!(out, "\n\n{}", line(&head));
        for (group, rows) in groups {
            let _ = writeln!(out, "\n{group}");
            rows.iter().for_each(|row| _ = writeln!(out, "{}", line(row)));
        }
        for fault in self.faults() {
            let _ = write!(out, "\n{fault}");
        }
        out
    }

    pub(crate) fn markdown(&self) -> String {
        let head = self.head();
        let rule = (0..head.len()).map(|at| if at == 0 { "---" } else { "---:" });
        let rule = rule.collect::<Vec<_>>().join(" | ");
        let mut out = self.about.join("  \n");
        out.push('\n');
        for (group, rows) in self.groups() {
            let _ = writeln!(out, "\n**{group}**\n\n| {} |\n| {rule} |", head.join(" | "));
            rows.iter().for_each(|row| _ = writeln!(out, "| {} |", row.join(" | ")));
        }
        let faults = self.faults();
        if !faults.is_empty() {
            out.push('\n');
            faults.iter().for_each(|fault| _ = writeln!(out, "- {fault}"));
        }
        out
    }

    pub(crate) fn charted(&self) -> impl Iterator<Item = &'a Case> {
        self.cases.iter().filter(|case| case.is_charted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Effort, all};
    use crate::peers::Who::{Fe2o3, Ours, Proton};

    /// The row of the engine with proton-c and fe2o3-amqp.
    fn row() -> Case {
        let mut cases = all(Effort { is_quick: true });
        cases.retain(|case| case.title() == "engine: 256 B, accepted");
        cases.remove(0)
    }

    fn run(case: &Case) -> Run {
        let mut run = Run::empty();
        for (who, samples) in [(Ours, [8.0, 6.0, 4.0]), (Proton, [2.0, 9.0, 3.0]), (Fe2o3, [1.0, 1.0, 1.0])] {
            samples.into_iter().for_each(|sample| run.enter(case, who, Ok(sample)));
        }
        run
    }

    fn to_best(run: &Run, case: &Case) -> String {
        Table::new(std::slice::from_ref(case), run, Vec::new()).to_best(case)
    }

    #[test]
    fn a_ratio_is_of_medians_and_to_the_best_peer() {
        let case = row();
        assert_eq!(to_best(&run(&case), &case), "2.00");
    }

    #[test]
    fn there_is_no_ratio_where_a_peer_failed_once() {
        let (case, mut failed) = (row(), run(&row()));
        failed.enter(&case, Fe2o3, Err("it broke".into()));
        assert_eq!(to_best(&failed, &case), "refused");
    }

    #[test]
    fn there_is_no_ratio_to_a_version_that_is_not_named() {
        let (case, mut other) = (row(), run(&row()));
        other.refuse(Proton, "another version");
        assert_eq!(to_best(&other, &case), "refused");
        let table = Table::new(std::slice::from_ref(&case), &other, Vec::new());
        assert!(table.text().contains("proton-c: another version"));
    }

    #[test]
    fn where_less_is_better_a_ratio_above_one_is_ahead_all_the_same() {
        let mut cases = all(Effort { is_quick: true });
        cases.retain(|case| case.title() == "codec: plain message, encoded");
        let (case, mut run) = (&cases[0], Run::empty());
        for who in case.entrants {
            run.enter(case, *who, Ok(if *who == Ours { 10.0 } else { 30.0 }));
        }
        assert_eq!(to_best(&run, case), "3.00");
    }
}
