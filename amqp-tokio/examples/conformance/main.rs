//! Tries the rules of AMQP 1.0 that can be seen from outside with a peer: a broker, or with `--listen` a client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod suite;

use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use amqp_tokio::Address;
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use suite::case::{Case, Level, Section};
use suite::peer::{Target, Times};
use suite::report::{self, Counts};
use suite::run::{self, Contact, Done, Program};

/// The address of the node, if none is named.
const NODE: &str = "conformance";

/// Tries the rules of AMQP 1.0 that can be seen from outside, and prints a table: pass, deviates, or not tried and why.
///
/// "lenient" means that the peer accepts what the standard forbids, where the standard does not ask it to refuse.
///
/// The exit code is 0 if no rule deviates, 1 if one does, and 2 if the peer could not be tested.
#[derive(Debug, Parser)]
struct Arguments {
    /// The broker and the node, as amqp://user:password@host:port/node. The node is emptied.
    #[arg(required_unless_present_any = ["listen", "list"], conflicts_with = "listen")]
    url: Option<String>,
    /// The address of the node, instead of the URL's path. RabbitMQ 4 needs it: /queues/conformance.
    #[arg(long)]
    address: Option<String>,
    /// Tests clients that connect to this address and port, one connection for each rule.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Starts this program for each rule, with {url} replaced by the URL to connect to.
    #[arg(last = true, requires = "listen", value_name = "CLIENT")]
    client: Vec<String>,
    /// Plays only rules whose id, clause or section begins with this; can be repeated.
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Plays only rules with "MUST".
    #[arg(long)]
    must: bool,
    /// Lists the rules, and plays none.
    #[arg(long)]
    list: bool,
    /// The number of connections at a time.
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// The longest that an answer may take, in seconds.
    #[arg(long, default_value_t = 6.0)]
    answer: f64,
    /// The silence after which nothing more is expected, in seconds.
    #[arg(long, default_value_t = 0.5)]
    quiet: f64,
    /// The longest that a rule may take, in seconds.
    #[arg(long, default_value_t = 30.0)]
    limit: f64,
    /// The longest silence that is kept up to make the peer give up, in seconds.
    #[arg(long, default_value_t = 8.0)]
    idle: f64,
    /// Writes the results as JSON; - for standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the results in the format of JUnit.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Writes a page with the frames of each rule that deviates.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Arguments {
    fn sections(&self) -> &'static [Section] {
        if self.listen.is_some() { &suite::client::SECTIONS } else { &suite::broker::SECTIONS }
    }

    fn wants(&self, section: &Section, case: &Case) -> bool {
        let named = [case.id, case.clause, section.title];
        let is_named = |word: &String| named.iter().any(|name| name.starts_with(&**word));
        (!self.must || case.level == Level::Must) && (self.only.is_empty() || self.only.iter().any(is_named))
    }

    fn times(&self) -> Result<Times> {
        let seconds = |value: f64| Duration::try_from_secs_f64(value).context("a time is out of range");
        Ok(Times {
            answer: seconds(self.answer)?,
            quiet: seconds(self.quiet)?,
            case: seconds(self.limit)?,
            idle: seconds(self.idle)?,
        })
    }

    /// Tests a peer that accepts connections.
    fn connect(&self, url: &str) -> Result<Vec<Done>> {
        let address: Address = url.parse()?;
        ensure!(!address.is_encrypted(), "the tester does not speak TLS: use amqp://");
        let node = match address.path() {
            "" => NODE,
            path => path,
        };
        let node = self.address.as_deref().unwrap_or(node).to_owned();
        let login = address.user().zip(address.password());
        let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let mut target = Target { login, sasl: true, node, times: self.times()? };
        let host = (address.host(), address.port());
        let answer = target.times.answer;
        let connect = move || -> io::Result<Contact> {
            let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            for socket in host.to_socket_addrs()? {
                match TcpStream::connect_timeout(&socket, answer) {
                    Ok(socket) => return Ok(Contact { socket, program: None }),
                    Err(error) => failure = error,
                }
            }
            Err(failure)
        };
        match run::has_sasl(&target, &connect) {
            Ok(sasl) => target.sasl = sasl,
            Err(why) => bail!("the peer cannot be tested: {why}"),
        }
        let wants = |section: &Section, case: &Case| self.wants(section, case);
        Ok(run::run(&target, &connect, self.sections(), &wants, self.jobs))
    }

    /// Tests clients.
    fn accept(&self, listen: &str) -> Result<Vec<Done>> {
        let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        listener.set_nonblocking(true)?;
        let node = self.address.as_deref().unwrap_or(NODE).to_owned();
        let url = format!("amqp://{}/{node}", listener.local_addr()?);
        eprintln!("listening on {url}");
        let times = self.times()?;
        let target = Target { login: None, sasl: true, node, times };
        let connect = || -> io::Result<Contact> {
            let program = match self.client.split_first() {
                Some((program, arguments)) => {
                    // A program of an earlier rule may have left a connection.
                    while listener.accept().is_ok() {}
                    let mut command = Command::new(program);
                    command.args(arguments.iter().map(|argument| argument.replace("{url}", &url)));
                    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                    Some(Program(command.spawn()?))
                }
                None => None,
            };
            let end = Instant::now() + times.case;
            loop {
                match listener.accept() {
                    Ok((socket, _)) => {
                        socket.set_nonblocking(false)?;
                        return Ok(Contact { socket, program });
                    }
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    Err(_) if Instant::now() > end => {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "no client has connected"));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        };
        let wants = |section: &Section, case: &Case| self.wants(section, case);
        Ok(run::run(&target, &connect, self.sections(), &wants, 1))
    }

    fn report(&self, peer: &str, all: &[Done]) -> Result<()> {
        let json = report::json(peer, all);
        let to_output = self.json.as_deref().is_some_and(|file| file.as_os_str() == "-");
        if to_output {
            println!("{json}");
        } else {
            println!("{}", report::text(all));
        }
        let write = |file: &PathBuf, text: String| {
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        if let Some(file) = self.json.as_ref().filter(|_| !to_output) {
            write(file, json.to_string())?;
        }
        if let Some(file) = &self.junit {
            write(file, report::junit(peer, all))?;
        }
        if let Some(file) = &self.html {
            write(file, report::html(peer, all))?;
        }
        Ok(())
    }
}

fn test(arguments: &Arguments) -> Result<Counts> {
    if arguments.list {
        for section in arguments.sections() {
            println!("{}", section.title);
            for case in section.cases.iter().filter(|case| arguments.wants(section, case)) {
                println!("  {:<8} {:<11} {:<8} {}", case.clause, case.id, case.level.name(), case.title);
            }
        }
        return Ok(Counts { pass: 1, ..Counts::default() });
    }
    let (peer, all) = match (&arguments.listen, &arguments.url) {
        (Some(listen), _) => ("a client".to_owned(), arguments.accept(listen)?),
        (None, Some(url)) => {
            // A password does not belong into a report.
            let peer = url.rsplit_once('@').map_or(&**url, |(_, host)| host).to_owned();
            (peer, arguments.connect(url)?)
        }
        (None, None) => bail!("no peer is named"),
    };
    ensure!(!all.is_empty(), "no rule is called so");
    arguments.report(&peer, &all)?;
    Ok(Counts::of(&all))
}

fn main() -> ExitCode {
    match test(&Arguments::parse()) {
        Ok(Counts { deviates: 1.., .. }) => ExitCode::from(1),
        Ok(Counts { pass: 0, .. }) => ExitCode::from(2),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
