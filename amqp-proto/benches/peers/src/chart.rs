//! Draws the main rows as bars, in an SVG file that needs no other file.

use std::fmt::Write;

use crate::cases::Case;
use crate::peers::{ALL, Who};
use crate::report::Table;

const LEFT: usize = 130;
const BAR: usize = 16;
const LONGEST: f64 = 520.0;
const WIDTH: usize = 780;

fn colour(who: Who) -> &'static str {
    match who {
        Who::Ours => "#c2410c",
        Who::Raw => "#9ca3af",
        Who::Proton => "#1d4ed8",
        Who::Fe2o3 => "#0f766e",
        Who::Ramqp => "#7e22ce",
        Who::Ntex => "#a16207",
    }
}

/// Returns a bar for each implementation in a row: its speed, and the figure to show.
fn bars(table: &Table<'_>, case: &Case) -> Vec<(Who, f64, String)> {
    let bar = |who: Who| {
        let median = table.middle(case, who)?.median;
        let speed = if case.figure.more_is_better() { median } else { 1.0 / median };
        Some((who, speed, case.figure.unit().show(median)))
    };
    ALL.into_iter().filter_map(bar).collect()
}

/// Returns the chart. A longer bar is better in every row.
pub(crate) fn draw(table: &Table<'_>) -> String {
    let (mut inner, mut y) = (String::new(), 34);
    for case in table.charted() {
        let bars = bars(table, case);
        let most = bars.iter().map(|(_, speed, _)| *speed).fold(0.0, f64::max);
        let _ = writeln!(inner, r#"<text class="title" x="10" y="{y}">{}</text>"#, case.title());
        y += 8;
        for (who, speed, shown) in bars {
            let (length, base) = (speed / most * LONGEST, y + 12);
            let (name, fill) = (who.name(), colour(who));
            let _ = writeln!(
                inner,
                r#"<text class="name" x="{}" y="{base}">{name}</text><rect x="{LEFT}" y="{y}" width="{length:.1}" height="{}" fill="{fill}"/><text x="{:.1}" y="{base}">{shown}</text>"#,
                LEFT - 6,
                BAR - 2,
                LEFT as f64 + length + 6.0,
            );
            y += BAR;
        }
        y += 26;
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" role="img">
<title>How fast each is; longer is better</title>
<style>text {{ font: 12px sans-serif; fill: #1f2937 }} .title {{ font-weight: bold }} .name {{ text-anchor: end }}</style>
<rect width="100%" height="100%" fill="#ffffff"/>
{inner}</svg>
"##
    )
}
