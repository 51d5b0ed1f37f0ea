//! [`print_html`]: connections on a page: the summary, the sequence diagram and the frames of each.

use std::io::{self, Write};

use super::conversation::{Conversation, Recording};
use super::diagram::title;
use super::frames::print_frames;
use super::ledger::Ledger;
use super::summary::summary;
use super::svg::{escape, print_svg};

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<title>AMQP capture</title>
<style>
body { font-family: 'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif; font-size: 14px; margin: 24px; color: #222; background: #fff; }
h1 { font-size: 20px; } h2 { font-size: 16px; margin: 32px 0 8px; }
table { border-collapse: collapse; margin: 8px 0 16px; }
td { padding: 3px 14px 3px 0; vertical-align: top; border-bottom: 1px solid #e4e4e4; }
td:first-child { color: #555; white-space: nowrap; }
tr.fault td { color: #c8102e; } tr.stall td { color: #9a5b00; }
.picture { overflow-x: auto; border: 1px solid #e4e4e4; }
pre { background: #f6f7f8; padding: 12px; overflow-x: auto; font-size: 12px; }
</style>
</head>
<body>
<h1>AMQP capture</h1>
";

/// Writes a page that needs no other file.
pub(crate) fn print_html(
    recording: &Recording,
    all: Vec<(&Conversation, Ledger)>,
    out: &mut impl Write,
) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    for remark in &recording.remarks {
        writeln!(out, "<p>{}</p>", escape(remark))?;
    }
    for connection in all {
        print_connection(connection, out)?;
    }
    writeln!(out, "</body>\n</html>")
}

fn print_connection(connection: (&Conversation, Ledger), out: &mut impl Write) -> io::Result<()> {
    let (conversation, ledger) = &connection;
    writeln!(out, "<h2>{}</h2>\n<table>", escape(&title(conversation, ledger)))?;
    for (name, value) in summary(conversation, ledger) {
        let class =
            if name == "fault" || name == "stall" { format!(" class=\"{name}\"") } else { String::new() };
        writeln!(out, "<tr{class}><td>{}</td><td>{}</td></tr>", escape(&name), escape(&value))?;
    }
    writeln!(out, "</table>\n<div class=\"picture\">")?;
    let mut frames = Vec::new();
    print_frames(conversation, ledger, &mut frames)?;
    print_svg(&[connection], out)?;
    writeln!(out, "</div>\n<details><summary>Frames and messages</summary>")?;
    writeln!(out, "<pre>{}</pre>\n</details>", escape(&String::from_utf8_lossy(&frames)))
}
