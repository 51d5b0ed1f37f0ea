//! [`print_svg`]: connections as a sequence diagram in SVG.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::conversation::Conversation;
use super::diagram::{beside, time, title};
use super::label::{cut, short};
use super::lanes::{Lanes, colour};
use super::ledger::{Entry, Ledger};
use super::step::{Side, Step, What};

/// The most steps of a connection that a picture has.
pub(crate) const MOST: usize = 2_000;
const ROW: usize = 30;
/// The height of the title, the legend and the heads.
const HEAD: usize = 104;
const LANE: usize = 9;
/// The right edge of the times.
const TIMES: usize = 78;
/// The least distance of the first lifeline from the times: half of a long name above it.
const MARGIN: usize = 74;
/// The distance between the lifelines.
const REACH: usize = 560;
/// The room for what stands beside the arrows.
const NOTES: usize = 430;
/// The most characters of a label and of a note.
const LABEL: usize = 78;
const NOTE: usize = 64;
const FAULT: &str = "#c8102e";
const STALL: &str = "#9a5b00";
/// The colours of the page, for readers of the picture alone and on a page.
const STYLE: &str = "text{font-family:'DejaVu Sans','Segoe UI',Helvetica,Arial,sans-serif;font-size:11.5px;fill:#222}\
    text.small{font-size:10.5px;fill:#555}text.title{font-size:14px;font-weight:bold}text.head{font-weight:bold}";

/// A picture under construction: one connection.
struct Picture<'a> {
    conversation: &'a Conversation,
    ledger: &'a Ledger,
    lanes: Lanes,
    /// The x of both lifelines.
    client: usize,
    server: usize,
    rows: usize,
    svg: String,
}

/// Writes one picture of all connections, one below the other.
pub(crate) fn print_svg(all: &[(&Conversation, Ledger)], out: &mut impl Write) -> io::Result<()> {
    let pictures: Vec<Picture<'_>> =
        all.iter().map(|(conversation, ledger)| Picture::new(conversation, ledger)).collect();
    let width = pictures.iter().map(Picture::width).max().unwrap_or(0);
    let height: usize = pictures.iter().map(Picture::height).sum();
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">"
    )?;
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>")?;
    let mut y = 0;
    for picture in pictures {
        let height = picture.height();
        writeln!(out, "<g transform=\"translate(0 {y})\">\n{}</g>", picture.draw())?;
        y += height;
    }
    writeln!(out, "</svg>")
}

/// Returns a text as it stands in XML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            // XML allows no other control characters and no noncharacters.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

impl<'a> Picture<'a> {
    fn new(conversation: &'a Conversation, ledger: &'a Ledger) -> Self {
        let lanes = Lanes::new(ledger);
        let client = (TIMES + 24 + lanes.count * LANE).max(TIMES + MARGIN);
        let rows = conversation.steps.len().min(MOST);
        Self { conversation, ledger, client, server: client + REACH, lanes, rows, svg: String::new() }
    }

    fn width(&self) -> usize {
        self.server + 24 + self.lanes.count * LANE + NOTES
    }

    fn height(&self) -> usize {
        HEAD + self.rows * ROW + if self.is_cut() { 60 } else { 36 }
    }

    fn is_cut(&self) -> bool {
        self.conversation.steps.len() > MOST
    }

    /// Returns the y of the arrow of a step.
    fn y(&self, step: usize) -> usize {
        HEAD + step.min(self.rows) * ROW + ROW - 8
    }

    fn draw(mut self) -> String {
        self.draw_head();
        self.draw_bars();
        let steps = self.conversation.steps.iter().zip(&self.ledger.entries).take(MOST);
        for (at, (step, entry)) in steps.enumerate() {
            self.draw_step(at, step, entry);
        }
        if self.is_cut() {
            let words = format!("{} further steps are not drawn", self.conversation.steps.len() - MOST);
            let y = self.y(self.rows) + 16;
            self.text(self.client, y, "class=\"small\"", &words);
        }
        self.svg
    }

    fn draw_head(&mut self) {
        let words = title(self.conversation, self.ledger);
        self.text(10, 24, "class=\"title\"", &cut(&words, 150));
        self.draw_legend();
        let bottom = self.y(self.rows) + 6;
        for (side, x) in [(Side::Client, self.client), (Side::Server, self.server)] {
            let container = self.ledger.containers.of(side).as_deref().map(short).unwrap_or_default();
            let name = if side == Side::Client { "client" } else { "server" };
            let words = format!("{name} {container}");
            self.text(x, HEAD - 22, "class=\"head\" text-anchor=\"middle\"", words.trim_end());
            self.text(
                x,
                HEAD - 9,
                "class=\"small\" text-anchor=\"middle\"",
                self.conversation.names.of(side),
            );
            self.line((x, HEAD - 3), (x, bottom), "#8a8a8a", "stroke-width=\"1.2\"");
        }
        let unit = if self.conversation.steps.iter().any(|step| step.at.is_some()) { "ms" } else { "line" };
        self.text(TIMES, HEAD + 4, "class=\"small\" text-anchor=\"end\"", unit);
    }

    /// Draws the names of the first sessions and links, as far as there is room.
    fn draw_legend(&mut self) {
        let mut x = 10;
        let width = self.width();
        let names: Vec<(&str, String)> =
            self.lanes.bars.iter().map(|bar| (bar.colour, cut(&bar.name, 44))).collect();
        for (at, (colour, name)) in names.iter().enumerate() {
            let next = x + 30 + name.chars().count() * 7;
            if next > width - 80 {
                let words = format!("and {} more", names.len() - at);
                return self.text(x, 47, "class=\"small\"", &words);
            }
            let _ =
                writeln!(self.svg, "<rect x=\"{x}\" y=\"38\" width=\"10\" height=\"10\" fill=\"{colour}\"/>");
            self.text(x + 15, 47, "class=\"small\"", name);
            x = next;
        }
    }

    fn draw_bars(&mut self) {
        let bars = std::mem::take(&mut self.lanes.bars);
        for bar in bars.iter().filter(|bar| bar.first < self.rows) {
            let (top, bottom) = (self.y(bar.first) - 4, self.y(bar.last) + 4);
            let away = 8 + bar.lane * LANE;
            for x in [self.client - away - LANE + 3, self.server + away] {
                let _ = writeln!(
                    self.svg,
                    "<rect x=\"{x}\" y=\"{top}\" width=\"{}\" height=\"{}\" rx=\"2\" fill=\"{}\" fill-opacity=\"0.75\"><title>{}</title></rect>",
                    LANE - 3,
                    bottom.saturating_sub(top),
                    bar.colour,
                    escape(&bar.name)
                );
            }
        }
    }

    fn draw_step(&mut self, at: usize, step: &Step, entry: &Entry) {
        let y = self.y(at);
        let colour = if entry.fault.is_some() { FAULT } else { colour(entry.session, entry.link) };
        let _ = writeln!(self.svg, "<g><title>{}</title>", escape(&tip(step, entry)));
        if entry.fault.is_some() {
            let (x, width) = (self.client + 2, REACH - 4);
            let top = y - ROW + 10;
            let _ = writeln!(
                self.svg,
                "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{}\" fill=\"{FAULT}\" fill-opacity=\"0.09\"/>",
                ROW - 2
            );
        }
        self.text(TIMES, y + 4, "class=\"small\" text-anchor=\"end\"", &time(step));
        match &step.what {
            What::Remark(words) => {
                let side = if step.from == Side::Client { "client" } else { "server" };
                let words = cut(&format!("{side} {words}"), LABEL);
                let middle = self.client + REACH / 2;
                self.text(
                    middle,
                    y + 4,
                    "text-anchor=\"middle\" font-style=\"italic\" style=\"fill:#777\"",
                    &words,
                );
            }
            _ => self.draw_arrow(y, step.from, colour, entry),
        }
        self.draw_notes(y, colour, entry);
        self.svg.push_str("</g>\n");
    }

    fn draw_arrow(&mut self, y: usize, from: Side, colour: &str, entry: &Entry) {
        let (start, end) = match from {
            Side::Client => (self.client, self.server - 1),
            Side::Server => (self.server, self.client + 1),
        };
        let width = if entry.fault.is_some() { "stroke-width=\"2\"" } else { "stroke-width=\"1.4\"" };
        self.line((start, y), (end, y), colour, width);
        let back = if from == Side::Client { end - 9 } else { end + 9 };
        let _ = writeln!(
            self.svg,
            "<path d=\"M{end} {y} L{back} {} L{back} {} Z\" fill=\"{colour}\"/>",
            y - 4,
            y + 4
        );
        let style = format!("text-anchor=\"middle\" style=\"fill:{colour}\"");
        self.text(self.client + REACH / 2, y - 5, &style, &cut(&entry.label, LABEL));
    }

    fn draw_notes(&mut self, y: usize, colour: &str, entry: &Entry) {
        let x = self.server + 24 + self.lanes.count * LANE;
        let style = format!("style=\"fill:{colour}\"");
        let notes = beside(entry, self.ledger);
        let below = match (&entry.fault, &entry.wait) {
            (Some(fault), _) => Some((FAULT, fault)),
            (None, Some(wait)) => Some((STALL, wait)),
            _ => None,
        };
        let Some((colour, words)) = below else { return self.text(x, y + 4, &style, &cut(&notes, NOTE)) };
        let style_below = format!("font-weight=\"bold\" style=\"fill:{colour}\"");
        if notes.is_empty() {
            return self.text(x, y + 4, &style_below, &cut(words, NOTE));
        }
        self.text(x, y - 5, &style, &cut(&notes, NOTE));
        self.text(x, y + 9, &style_below, &cut(words, NOTE));
    }

    fn text(&mut self, x: usize, y: usize, style: &str, words: &str) {
        if !words.is_empty() {
            let _ = writeln!(self.svg, "<text x=\"{x}\" y=\"{y}\" {style}>{}</text>", escape(words));
        }
    }

    fn line(&mut self, (x1, y1): (usize, usize), (x2, y2): (usize, usize), colour: &str, width: &str) {
        let _ = writeln!(
            self.svg,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{colour}\" {width}/>"
        );
    }
}

/// Returns the text that a pointer on a step shows: the whole frame.
fn tip(step: &Step, entry: &Entry) -> String {
    let what = match &step.what {
        What::Header(header) => format!("{header:?}"),
        What::Frame(frame, _) => format!("{frame}"),
        What::Remark(words) | What::Fault(words) => words.clone(),
    };
    let fault = entry.fault.as_ref().map(|fault| format!("\n{fault}")).unwrap_or_default();
    format!("{}\n{what}{fault}", step.place)
}
