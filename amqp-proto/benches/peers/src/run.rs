//! [`Run`]: measures all rows, round by round, each program in a process of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cases::{Case, OtherEnd};
use crate::peers::{Programs, Who};
use crate::role::Role;

/// The longest that a program may take.
const LONGEST: Duration = Duration::from_secs(120);

/// The figures that a program printed, or the reason why it failed.
type Figures = Result<HashMap<String, f64>, String>;

/// All samples and failures of a run.
#[derive(Debug)]
pub(crate) struct Run {
    programs: Programs,
    /// The folder of proton-c's program and of the certificate.
    folder: PathBuf,
    /// The peers without ratios, and the reasons.
    refused: HashMap<Who, String>,
    /// The samples of each row and implementation.
    samples: HashMap<(String, Who), Vec<f64>>,
    /// The first failure of each.
    failures: HashMap<(String, Who), String>,
}

impl Run {
    pub(crate) fn new(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let programs = Programs::build(&folder);
        certify(&folder);
        let check = |who: &Who| Some((*who, who.check(&programs).err()?));
        let refused = crate::peers::ALL.iter().filter_map(check).collect();
        Self { programs, folder, refused, samples: HashMap::new(), failures: HashMap::new() }
    }

    /// Measures each row once. Another implementation begins in each round.
    pub(crate) fn round(&mut self, round: usize, cases: &[Case]) {
        let mut known: HashMap<(Who, String), Figures> = HashMap::new();
        for case in cases {
            let count = case.entrants.len();
            for at in 0..count {
                let who = case.entrants[(at + round) % count];
                let arguments = self.arguments(case, who);
                let key = (who, format!("{} {arguments} {:?} {}", case.role, case.other_end, case.is_awake));
                let figures = known.entry(key).or_insert_with(|| self.play(case, who, &arguments)).clone();
                self.note(case, who, figures);
            }
        }
    }

    fn note(&mut self, case: &Case, who: Who, figures: Figures) {
        let figure = figures.and_then(|figures| {
            let figure = figures.get(case.figure.key()).copied();
            figure.ok_or_else(|| format!("it printed no {}", case.figure.key()))
        });
        self.enter(case, who, figure);
    }

    /// Adds a sample, or a failure, of an implementation in a row.
    pub(crate) fn enter(&mut self, case: &Case, who: Who, figure: Result<f64, String>) {
        let key = (case.title(), who);
        match figure {
            Ok(figure) => self.samples.entry(key).or_default().push(figure),
            Err(why) => {
                eprintln!("    {}: {}: {why}", case.title(), who.name());
                self.failures.entry(key).or_insert(why);
            }
        }
    }

    fn arguments(&self, case: &Case, who: Who) -> String {
        let folder = format!("tls={}", self.folder.display());
        let words = case.arguments.split(' ');
        let words = words.filter(|word| who.has_shapes() || !word.starts_with("shape="));
        let words = words.map(|word| if word == "tls=yes" { folder.as_str() } else { word });
        words.collect::<Vec<_>>().join(" ")
    }

    fn play(&self, case: &Case, who: Who, arguments: &str) -> Figures {
        let _awake = case.is_awake.then(|| self.keep_awake()).transpose()?;
        let command = |who: Who, role: &str, more: &str, port: u16| -> Result<Command, String> {
            let mut command = self.programs.command(who, role)?;
            command.args(more.split(' ')).arg(format!("port={port}"));
            Ok(command)
        };
        let port = free_port();
        match case.other_end {
            OtherEnd::None => finish(command(who, case.role, arguments, port)?),
            OtherEnd::Receiver | OtherEnd::Keeper(_) => {
                let end = if who == Who::Raw { Who::Raw } else { Who::Proton };
                let tls = arguments.split(' ').find(|word| word.starts_with("tls="));
                let role = Role::new(arguments.split(' ').map(str::to_string));
                let how = match case.other_end {
                    OtherEnd::Keeper(messages) => format!("hold=1 window={messages}"),
                    _ => format!("window={} {}", role.window(), tls.unwrap_or_default()),
                };
                let _end = listen(command(end, "recv", &how, port)?)?;
                finish(command(who, case.role, arguments, port)?)
            }
            OtherEnd::Crowd => {
                let _end = listen(command(who, "crowd-server", arguments, port)?)?;
                finish(command(who, case.role, arguments, port)?)
            }
            OtherEnd::Sender => {
                let _end = listen(command(who, "recv", arguments, port)?)?;
                finish(command(Who::Proton, "send", arguments, port)?)
            }
        }
    }

    /// Keeps all cores awake by programs that run only when no other does.
    fn keep_awake(&self) -> Result<Vec<Running>, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let one = || {
            let spin = self.programs.command(Who::Raw, "spin")?;
            let mut command = Command::new("chrt");
            command.args(["--idle", "0"]).arg(spin.get_program()).args(spin.get_args());
            let child = command.stdout(Stdio::null()).spawn();
            Ok(Running(child.map_err(|error| format!("chrt of util-linux: {error}"))?))
        };
        (0..cores).map(|_| one()).collect()
    }

    /// Returns the reason why there is no ratio to a peer.
    pub(crate) fn refusal(&self, who: Who) -> Option<&str> {
        self.refused.get(&who).map(String::as_str)
    }

    pub(crate) fn samples(&self, case: &Case, who: Who) -> &[f64] {
        self.samples.get(&(case.title(), who)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn failure(&self, case: &Case, who: Who) -> Option<&str> {
        self.failures.get(&(case.title(), who)).map(String::as_str)
    }
}

#[cfg(test)]
impl Run {
    /// Returns a run without samples.
    pub(crate) fn empty() -> Self {
        let (programs, folder) = (Programs::none(), PathBuf::new());
        let (refused, samples, failures) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { programs, folder, refused, samples, failures }
    }

    pub(crate) fn refuse(&mut self, who: Who, why: &str) {
        self.refused.insert(who, why.into());
    }
}

/// Makes a self-signed certificate for this machine.
fn certify(folder: &std::path::Path) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_string(), "localhost".to_string()]);
    let made = made.expect("a certificate can be made");
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("a file");
    write("certificate.pem", made.cert.pem());
    write("key.pem", made.signing_key.serialize_pem());
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    socket.local_addr().expect("it has one").port()
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program and waits until it listens.
fn listen(mut command: Command) -> Result<Running, String> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut running = Running(child.map_err(|error| error.to_string())?);
    let mut line = String::new();
    let output = running.0.stdout.as_mut().expect("it is piped");
    BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
    match line.starts_with("listening") {
        true => Ok(running),
        false => Err("the other end does not listen".into()),
    }
}

/// Runs a program to its end and reads the figures that it prints.
fn finish(mut command: Command) -> Figures {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = Running(child.map_err(|error| error.to_string())?);
    let start = Instant::now();
    let status = loop {
        match running.0.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if start.elapsed() > LONGEST => return Err(format!("not done in {} s", LONGEST.as_secs())),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let (mut printed, mut said) = (String::new(), String::new());
    let _ = running.0.stdout.take().map(|mut output| output.read_to_string(&mut printed));
    let _ = running.0.stderr.take().map(|mut output| output.read_to_string(&mut said));
    if !status.success() {
        return Err(why(&said).unwrap_or_else(|| status.to_string()));
    }
    let figure = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_string(), value.parse().ok()?))
    };
    Ok(printed.lines().filter_map(figure).collect())
}

/// Returns the most useful line of a failed program's output.
fn why(said: &str) -> Option<String> {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note:"));
    let line = lines.rfind(|line| !line.starts_with("thread '"))?;
    Some(line.chars().take(160).collect())
}
