//! [`Listener`]: accepts TCP connections.

use std::net::{TcpListener, TcpStream, ToSocketAddrs};

use amqp_proto::client::{Acceptor, Result};
use amqp_proto::driver;

use crate::connection::Connection;

/// Accepts TCP connections of clients.
///
/// ```
/// use amqp_blocking::policy::Router;
/// use amqp_blocking::wire::Outcome;
/// use amqp_blocking::{Connection, Listener, OfferedLink, Receiver, Result};
///
/// fn work(jobs: Receiver) -> Result<()> {
///     for job in &jobs {
///         let job = job?;
///         println!("{:?}", job.message()?.body()?);
///         job.accept()?;
///     }
///     Ok(())
/// }
///
/// let listener = Listener::bind("127.0.0.1:0")?;
/// let url = format!("amqp://{}", listener.local_addr()?);
/// let server = std::thread::spawn(move || {
///     let connection = listener.accept()?.open()?;
///     let router = Router::new().with_address("jobs", work);
///     while let Some((work, link)) = connection.next_routed(&router)? {
///         // A link that is dropped is refused.
///         if let OfferedLink::Receiver(link) = link {
///             work(link.accept()?)?;
///         }
///     }
///     Ok::<(), amqp_blocking::Error>(())
/// });
///
/// let connection = Connection::open(&url)?;
/// let jobs = connection.sender("jobs").attach()?;
/// assert_eq!(jobs.send("hello")?, Outcome::Accepted);
/// connection.close()?;
/// server.join().unwrap()?;
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    acceptor: Acceptor,
}

driver::skin::listener!(TcpListener TcpStream ToSocketAddrs);

impl Incoming {
    fn connect(self) -> Result<Connection> {
        Connection::accept(self.stream, &self.acceptor)
    }
}
