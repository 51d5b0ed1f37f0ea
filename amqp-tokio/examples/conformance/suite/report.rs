//! The reports: text, JSON, JUnit and HTML.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use super::case::{Level, Stop};
use super::peer::Side;
use super::run::Done;
use super::wire::hex;

/// The number of cases by their end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) pass: usize,
    pub(crate) deviates: usize,
    /// Deviations where the standard says nothing.
    pub(crate) lenient: usize,
    pub(crate) not_tried: usize,
}

impl Counts {
    pub(crate) fn of<'a>(all: impl IntoIterator<Item = &'a Done>) -> Self {
        let mut counts = Self::default();
        for done in all {
            *match word(done) {
                "pass" => &mut counts.pass,
                "deviates" => &mut counts.deviates,
                "lenient" => &mut counts.lenient,
                _ => &mut counts.not_tried,
            } += 1;
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pass, deviates, lenient, not_tried } = self;
        write!(f, "{pass} pass, {deviates} deviate, {lenient} lenient, {not_tried} not tried")
    }
}

const fn word(done: &Done) -> &'static str {
    match done.played {
        Ok(()) => "pass",
        Err(Stop::Deviates { .. }) if matches!(done.case.level, Level::Advised) => "lenient",
        Err(Stop::Deviates { .. }) => "deviates",
        Err(Stop::NotTried(_)) => "not tried",
    }
}

/// Returns the results by section.
fn by_section(all: &[Done]) -> impl Iterator<Item = (&'static str, &[Done])> {
    all.chunk_by(|one, other| one.section == other.section)
        .filter_map(|part| Some((part.first()?.section, part)))
}

/// Returns a table as text.
pub(crate) fn text(all: &[Done]) -> String {
    let mut text = String::new();
    for (section, part) in by_section(all) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{section}: {}", Counts::of(part));
        for done in part {
            let case = done.case;
            let (word, level) = (word(done), case.level.name());
            let _ =
                writeln!(text, "  {word:<9}  {:<8} {:<11} {level:<8} {}", case.clause, case.id, case.title);
            let indent = " ".repeat(13);
            match &done.played {
                Ok(()) => {}
                Err(Stop::Deviates { expected, came }) => {
                    let _ = writeln!(text, "{indent}expected: {expected}\n{indent}came:     {came}");
                }
                Err(Stop::NotTried(why)) => {
                    let _ = writeln!(text, "{indent}because: {why}");
                }
            }
        }
        text.push('\n');
    }
    let _ = write!(text, "{}", Counts::of(all));
    text
}

/// Returns the results as JSON.
pub(crate) fn json(peer: &str, all: &[Done]) -> Value {
    let cases: Vec<Value> = all.iter().map(case_json).collect();
    let counts = Counts::of(all);
    let Counts { pass, deviates, lenient, not_tried } = counts;
    json!({
        "peer": peer,
        "pass": pass,
        "deviates": deviates,
        "lenient": lenient,
        "not_tried": not_tried,
        "cases": cases,
    })
}

fn case_json(done: &Done) -> Value {
    let (expected, came, why) = match &done.played {
        Ok(()) => (None, None, None),
        Err(Stop::Deviates { expected, came }) => (Some(expected), Some(came), None),
        Err(Stop::NotTried(why)) => (None, None, Some(why)),
    };
    let frames = done.log.iter().map(|line| {
        json!({
            "seconds": line.at.as_secs_f64(),
            "from": side(line.side),
            "text": line.text,
            "octets": hex(&line.octets, 1_024),
        })
    });
    json!({
        "section": done.section,
        "rule": done.case.id,
        "clause": done.case.clause,
        "level": done.case.level.name(),
        "title": done.case.title,
        "result": word(done),
        "expected": expected,
        "came": came,
        "because": why,
        "seconds": done.time.as_secs_f64(),
        "frames": frames.collect::<Vec<_>>(),
    })
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Tester => "tester",
        Side::Peer => "peer",
    }
}

/// Escapes text for XML and HTML. Characters that XML cannot have are replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' => escaped.push(char),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            char if char.is_control() => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}

/// Returns the results for tools that read the format of JUnit.
pub(crate) fn junit(peer: &str, all: &[Done]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = escaped(peer);
    let counts = Counts::of(all);
    let _ = writeln!(
        xml,
        "<testsuites name=\"{name}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">",
        all.len(),
        counts.deviates,
        counts.not_tried
    );
    for (section, part) in by_section(all) {
        let counts = Counts::of(part);
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">",
            escaped(section),
            part.len(),
            counts.deviates,
            counts.not_tried
        );
        for done in part {
            let (case, seconds) = (done.case, done.time.as_secs_f64());
            let title = escaped(&format!("{} [{}] {}", case.id, case.clause, case.title));
            let _ = write!(
                xml,
                "    <testcase classname=\"{}\" name=\"{title}\" time=\"{seconds:.3}\"",
                escaped(section)
            );
            let _ = match &done.played {
                Ok(()) => writeln!(xml, "/>"),
                Err(Stop::Deviates { came, .. }) if word(done) == "lenient" => {
                    writeln!(xml, "><system-out>lenient: {}</system-out></testcase>", escaped(came))
                }
                Err(Stop::Deviates { expected, came }) => {
                    let text = escaped(&format!("expected: {expected}\ncame: {came}"));
                    writeln!(xml, "><failure message=\"{}\">{text}</failure></testcase>", escaped(came))
                }
                Err(Stop::NotTried(why)) => {
                    writeln!(xml, "><skipped message=\"{}\"/></testcase>", escaped(why))
                }
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;\
color:#1b1f24}table{border-collapse:collapse;width:100%;table-layout:fixed}td,th{border-bottom:1px solid #d5dae0;\
padding:.3rem .5rem;text-align:left;vertical-align:top}th{width:5.5rem}th:nth-child(3){width:7rem}\
th:last-child{width:auto}code,pre{font:13px/1.4 ui-monospace,monospace}.pass{color:#1a7f37}\
.deviates{color:#b42318;font-weight:600}.lenient{color:#9a6700}.not-tried{color:#6a737d}td.word{white-space:nowrap}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f8fa;padding:.6rem}pre b{color:#0550ae;\
font-weight:600}pre i{display:block;margin-left:10ch;color:#6a737d;font-style:normal}summary{cursor:pointer}";

/// Returns a page with all results, and with the frames of those that deviate.
pub(crate) fn html(peer: &str, all: &[Done]) -> String {
    let peer = escaped(peer);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Conformance of {peer}</title>\n\
         <style>{STYLE}</style></head><body>\n<h1>Conformance of {peer}</h1>\n<p>AMQP 1.0: {}</p>\n",
        Counts::of(all)
    );
    for (section, part) in by_section(all) {
        let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>\n<table>", escaped(section), Counts::of(part));
        page.push_str(
            "<tr><th>result</th><th>clause</th><th>rule</th><th>level</th><th>the peer</th></tr>\n",
        );
        for done in part {
            page.push_str(&row(done));
        }
        page.push_str("</table>\n");
    }
    page.push_str("</body></html>\n");
    page
}

fn row(done: &Done) -> String {
    let (case, word) = (done.case, word(done));
    let mut row = format!(
        "<tr><td class=\"word {}\">{word}</td><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}",
        word.replace(' ', "-"),
        case.clause,
        case.id,
        case.level.name(),
        escaped(case.title)
    );
    match &done.played {
        Ok(()) => {}
        Err(Stop::NotTried(why)) => {
            let _ = write!(row, "<br>because: {}", escaped(why));
        }
        Err(Stop::Deviates { expected, came }) => {
            let (expected, came) = (escaped(expected), escaped(came));
            let _ = write!(
                row,
                "<br>expected: {expected}<br>came: {came}<details><summary>frames</summary><pre>"
            );
            for line in &done.log {
                let (at, text) = (line.at.as_secs_f64(), escaped(&line.text));
                let arrow = if line.side == Side::Tester { "&rarr;" } else { "<b>&larr;</b>" };
                let _ = write!(row, "{at:7.3} {arrow} {text}");
                // The octets are a block, which ends the line.
                let _ = match &*line.octets {
                    [] => writeln!(row),
                    octets => write!(row, "<i>{}</i>", hex(octets, 256)),
                };
            }
            row.push_str("</pre></details>");
        }
    }
    row.push_str("</td></tr>\n");
    row
}
