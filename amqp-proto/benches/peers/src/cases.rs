//! [`Case`]: the rows of the table, and the role that each gives to the programs.

use crate::peers::Who::{self, Fe2o3, Ntex, Ours, Proton, Ramqp, Raw};
use crate::report::Unit;

/// A row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) group: &'static str,
    pub(crate) label: String,
    pub(crate) figure: Figure,
    pub(crate) role: &'static str,
    /// The arguments of the role: `key=value`.
    pub(crate) arguments: String,
    pub(crate) other_end: OtherEnd,
    pub(crate) entrants: &'static [Who],
    /// True if other programs keep the cores from sleeping.
    pub(crate) is_awake: bool,
    /// True if the chart shows the row.
    pub(crate) is_charted: bool,
}

/// The quantity that a row measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Rate,
    Nanos,
    P50,
    P99,
    Octets,
}

/// The program at the other end of the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OtherEnd {
    /// No program: there is no socket.
    None,
    /// A receiver of proton-c; beside a raw socket, a raw socket that answers.
    Receiver,
    /// A receiver of proton-c that keeps up to this many messages unsettled.
    Keeper(usize),
    /// A sender of proton-c; the measured program listens.
    Sender,
    /// A server of the measured implementation, for many connections.
    Crowd,
}

impl Figure {
    /// Returns the name that a program prints before the figure.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Figure::Rate => "rate",
            Figure::Nanos => "nanos",
            Figure::P50 => "p50",
            Figure::P99 => "p99",
            Figure::Octets => "octets",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Figure::Rate => Unit::PerSecond,
            Figure::Nanos => Unit::Nanos,
            Figure::P50 | Figure::P99 => Unit::Micros,
            Figure::Octets => Unit::Octets,
        }
    }

    pub(crate) fn more_is_better(self) -> bool {
        self == Figure::Rate
    }
}

impl Case {
    fn new(group: &'static str, label: impl Into<String>, figure: Figure, entrants: &'static [Who]) -> Self {
        Self {
            group,
            label: label.into(),
            figure,
            role: "send",
            arguments: String::new(),
            other_end: OtherEnd::None,
            entrants,
            is_awake: false,
            is_charted: false,
        }
    }

    fn plays(mut self, role: &'static str, arguments: impl Into<String>) -> Self {
        (self.role, self.arguments) = (role, arguments.into());
        self
    }

    fn with(mut self, other_end: OtherEnd) -> Self {
        self.other_end = other_end;
        self
    }

    fn charted(mut self) -> Self {
        self.is_charted = true;
        self
    }

    pub(crate) fn title(&self) -> String {
        format!("{}: {}", self.group, self.label)
    }
}

/// The amount of work in each row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) is_quick: bool,
}

impl Effort {
    fn of(self, usual: usize) -> usize {
        if self.is_quick { (usual / 20).max(40) } else { usual }
    }

    fn messages(self, usual: usize) -> String {
        let messages = self.of(usual);
        format!("messages={messages} warm={}", (messages / 10).max(1))
    }
}

/// Returns all rows, in their order.
pub(crate) fn all(effort: Effort) -> Vec<Case> {
    let mut cases = codec(effort);
    cases.extend(engine(effort));
    cases.extend(loopback(effort));
    cases.extend(alone(effort));
    cases.extend(tasks(effort));
    cases.extend(receivers(effort));
    cases.extend(memory(effort));
    cases.extend(crowd(effort));
    cases.extend(tls(effort));
    cases
}

fn codec(effort: Effort) -> Vec<Case> {
    let rows = [
        ("plain message, encoded", "plain-encode"),
        ("plain message, decoded", "plain-decode"),
        ("typical message, encoded", "typical-encode"),
        ("typical message, decoded", "typical-decode"),
        ("typical message, each field read", "typical-read"),
    ];
    let row = |(label, op): (&str, &str)| {
        let case = Case::new("codec", label, Figure::Nanos, &[Ours, Proton, Fe2o3, Ramqp, Ntex]);
        let case = case.plays("codec", format!("op={op} millis={}", if effort.is_quick { 2 } else { 40 }));
        if op == "typical-read" { case.charted() } else { case }
    };
    rows.map(row).to_vec()
}

fn engine(effort: Effort) -> Vec<Case> {
    let rows = [
        ("256 B, accepted", "mode=ack size=256", 1_000_000),
        ("256 B, sent settled", "mode=pre size=256", 1_000_000),
        ("typical message, encoded and read", "mode=ack size=256 typical=1", 400_000),
        ("1 KiB, accepted", "mode=ack size=1024", 600_000),
        ("16 KiB, accepted", "mode=ack size=16384", 100_000),
        ("1 MiB, accepted", "mode=ack size=1048576", 2_000),
    ];
    let row = |(label, how, messages): (&str, &str, usize)| {
        let case = Case::new("engine", label, Figure::Rate, &[Ours, Proton, Fe2o3]);
        let case = case.plays("engine", format!("{how} shape=current {}", effort.messages(messages)));
        if how == "mode=ack size=256" { case.charted() } else { case }
    };
    rows.map(row).to_vec()
}

const SHAPES: [&str; 3] = ["current", "main", "blocking"];

fn loopback(effort: Effort) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |shape: &str, size: &str, how: &str, messages, entrants, is_charted| {
        let case = Case::new("loopback", format!("{shape}: {size}"), Figure::Rate, entrants);
        let case = case.plays("send", format!("shape={shape} {how} {}", effort.messages(messages)));
        let case = case.with(OtherEnd::Receiver);
        cases.push(if is_charted { case.charted() } else { case });
    };
    for shape in SHAPES {
        let entrants: &[Who] = match shape {
            "blocking" => &[Ours, Proton],
            _ => &[Ours, Proton, Fe2o3, Ramqp, Ntex],
        };
        add(shape, "256 B, accepted", "mode=ack size=256", 300_000, entrants, true);
        add(shape, "256 B, sent settled", "mode=pre size=256", 300_000, entrants, false);
    }
    for shape in SHAPES {
        // ramqp breaks the session with messages of several frames, and ntex-amqp the stream with many large ones.
        let entrants: &[Who] = match shape {
            "blocking" => &[Ours, Proton],
            _ => &[Ours, Proton, Fe2o3],
        };
        add(shape, "16 KiB, accepted", "mode=ack size=16384", 40_000, entrants, false);
        add(shape, "1 MiB, accepted", "mode=ack size=1048576", 600, entrants, false);
    }
    for shape in SHAPES {
        let entrants: &[Who] = match shape {
            "blocking" => &[Ours, Proton],
            _ => &[Ours, Proton, Fe2o3],
        };
        for (size, octets, messages) in [("256 B", 256, 300_000), ("1 MiB", 1 << 20, 600)] {
            let case = Case::new("loopback", format!("{shape}: {size}, received"), Figure::Rate, entrants);
            let how = format!("shape={shape} mode=ack size={octets} {}", effort.messages(messages));
            cases.push(case.plays("recv", how).with(OtherEnd::Sender));
        }
    }
    cases
}

fn alone(effort: Effort) -> Vec<Case> {
    let mut cases = Vec::new();
    for is_awake in [false, true] {
        for shape in SHAPES {
            let entrants: &[Who] = match shape {
                "blocking" => &[Ours, Raw, Proton],
                _ => &[Ours, Raw, Proton, Fe2o3, Ramqp, Ntex],
            };
            let group = if is_awake { "one at a time, cores awake" } else { "one at a time" };
            for (label, figure) in
                [("messages in a loop", Figure::Rate), ("p50", Figure::P50), ("p99", Figure::P99)]
            {
                let mut case = Case::new(group, format!("{shape}: {label}"), figure, entrants);
                case.is_awake = is_awake;
                case.is_charted = is_awake && shape != "blocking" && figure == Figure::Rate;
                let how = format!("shape={shape} mode=alone size=256 {}", effort.messages(20_000));
                cases.push(case.plays("send", how).with(OtherEnd::Receiver));
            }
        }
    }
    cases
}

fn tasks(effort: Effort) -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in ["current", "main"] {
        for links in ["each", "shared"] {
            for tasks in [1, 4, 16, 64] {
                let over = if links == "each" { "a link each" } else { "one link" };
                let label = format!("{shape}: {tasks} tasks, {over}");
                let entrants = &[Ours, Raw, Fe2o3, Ramqp, Ntex];
                let mut case = Case::new("many tasks", label, Figure::Rate, entrants);
                case.is_charted = tasks == 64 && links == "each";
                let messages = effort.messages(if tasks == 1 { 20_000 } else { 100_000 });
                let how = format!("shape={shape} links={links} tasks={tasks} size=256 {messages}");
                cases.push(case.plays("tasks", how).with(OtherEnd::Receiver));
            }
        }
    }
    cases
}

fn receivers(effort: Effort) -> Vec<Case> {
    let row = |tasks: usize| {
        let case = Case::new("tasks on one receiver", format!("main: {tasks} tasks"), Figure::Rate, &[Ours]);
        let how = format!("shape=main tasks={tasks} mode=ack size=256 {}", effort.messages(200_000));
        case.plays("recv", how).with(OtherEnd::Sender)
    };
    [1, 8, 64, 512].map(row).to_vec()
}

fn memory(effort: Effort) -> Vec<Case> {
    const ALL: &[Who] = &[Ours, Proton, Fe2o3, Ramqp, Ntex];
    let rows: [(&str, &str, usize, &[Who]); 4] = [
        ("a connection", "connection", 400, ALL),
        ("a session", "session", 200, ALL),
        ("a link", "link", 2_000, ALL),
        // In ramqp the future of a send keeps the delivery, not the connection.
        ("an unsettled delivery", "delivery", 40_000, &[Ours, Proton, Fe2o3, Ntex]),
    ];
    let row = |(label, what, count, entrants): (&str, &str, usize, &'static [Who])| {
        let count = effort.of(count);
        let keeps = if what == "delivery" { count + 10 } else { 10 };
        let case = Case::new("memory", label, Figure::Octets, entrants);
        let how = format!("shape=current what={what} count={count} size=16");
        case.plays("memory", how).with(OtherEnd::Keeper(keeps))
    };
    rows.map(row).to_vec()
}

fn crowd(effort: Effort) -> Vec<Case> {
    let row = |(label, figure): (&str, Figure)| {
        let case = Case::new("10,000 connections, a session and a link each", label, figure, &[Ours]);
        case.plays("crowd", format!("shape=main count={}", effort.of(10_000))).with(OtherEnd::Crowd)
    };
    [("main: memory of one", Figure::Octets), ("main: connections opened", Figure::Rate)].map(row).to_vec()
}

fn tls(effort: Effort) -> Vec<Case> {
    let rows = [
        ("256 B, accepted", "mode=ack size=256", 200_000),
        ("16 KiB, accepted", "mode=ack size=16384", 20_000),
        ("1 MiB, accepted", "mode=ack size=1048576", 300),
    ];
    let row = |(label, how, messages): (&str, &str, usize)| {
        let case = Case::new("TLS", format!("main: {label}"), Figure::Rate, &[Ours, Proton, Fe2o3]);
        let how = format!("tls=yes shape=main {how} {}", effort.messages(messages));
        case.plays("send", how).with(OtherEnd::Receiver)
    };
    rows.map(row).to_vec()
}
