//! The methods of transactions that wait.

/// Writes the methods of an adapter's `Transaction`, and the one of its `Session` that makes transactions.
#[doc(hidden)]
#[macro_export]
macro_rules! __transaction {
    ($($async:ident)?) => {
        $crate::driver::handles! { Waiter: Transaction }

        impl Session {
            /// Declares a transaction at the peer's coordinator, over a control link that the session keeps.
            ///
            /// All links of the session can work in the transaction. Links of other sessions can if the coordinator has
            /// the capability `amqp:multi-ssns-per-txn`.
            ///
            /// # Errors
            ///
            /// The end of the control link, if the peer has no coordinator;
            /// [`Error::Undeclared`](crate::Error::Undeclared) if the coordinator refuses;
            /// [`Error::TimedOut`](crate::Error::TimedOut) if the coordinator does not answer within the reply timeout.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future rolls the transaction back.")]
            pub $($async)? fn transaction(&self) -> $crate::client::Result<Transaction> {
                let control = $crate::driver::Session::control(self)?;
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::attached(&control))?;
                let transaction = $crate::driver::Transaction::declare(control)?;
                $crate::driver::skin::wait!($($async)? $crate::driver::Transaction::declared(&transaction))?;
                Ok(Transaction(transaction))
            }
        }

        impl Transaction {
            /// Sends a message in the transaction, and waits for the outcome that it gets at the commit.
            ///
            /// A message that is not accepted makes the transaction rollback-only.
            ///
            /// # Errors
            ///
            /// See [`Sender::send`]; also [`Error::Send`](crate::Error::Send) if the transaction is over, and
            /// [`Error::Transaction`](crate::Error::Transaction) if the link is on another connection.
            #[doc = $crate::driver::skin::cancel!(
                $($async)? "A dropped future may have sent the message, which is then a part of the transaction."
            )]
            pub $($async)? fn send(
                &self,
                sender: &Sender,
                message: impl Into<$crate::client::Outgoing>,
            ) -> $crate::client::Result<$crate::wire::Outcome> {
                let message = $crate::driver::Transaction::post(self, sender, message)?;
                $crate::driver::skin::call!($($async)? sender.send(message))
            }

            /// Sends a message in the transaction as soon as there is credit, and does not wait for its outcome. The
            /// commit waits for that.
            ///
            /// # Errors
            ///
            /// See [`Sender::send_queued`], and [`send`](Self::send).
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future before it is ready sends nothing.")]
            pub $($async)? fn send_queued(
                &self,
                sender: &Sender,
                message: impl Into<$crate::client::Outgoing>,
            ) -> $crate::client::Result<Sent> {
                let message = $crate::driver::Transaction::post(self, sender, message)?;
                $crate::driver::skin::call!($($async)? sender.send_queued(message))
            }

            /// Commits the transaction: its messages become available, and its outcomes apply.
            ///
            /// # Errors
            ///
            /// [`Error::RolledBack`](crate::Error::RolledBack) if a message was not accepted, or the coordinator refuses
            /// the commit; [`Error::InDoubt`](crate::Error::InDoubt) if the answer was lost with the control link, or
            /// did not come within the reply timeout; [`Error::TimedOut`](crate::Error::TimedOut) if the outcome of a
            /// message did not come by then, and the transaction is rolled back.
            #[doc = $crate::driver::skin::cancel!(
                $($async)? "A dropped future may have asked for the commit; otherwise the transaction is rolled back."
            )]
            pub $($async)? fn commit(self) -> $crate::client::Result<()> {
                let done = $crate::driver::skin::wait!($($async)? $crate::driver::Transaction::commit(&self));
                $crate::driver::Transaction::conclude(self.0, done, true)
            }

            /// Rolls the transaction back: its messages are dropped, and those that it had given an outcome get that of a
            /// dropped delivery.
            ///
            /// # Errors
            ///
            /// [`Error::TimedOut`](crate::Error::TimedOut) if the coordinator does not answer within the reply timeout.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future does not stop the rollback.")]
            pub $($async)? fn rollback(self) -> $crate::client::Result<()> {
                let done = $crate::driver::skin::wait!($($async)? $crate::driver::Transaction::rollback(&self));
                $crate::driver::Transaction::conclude(self.0, done, false)
            }
        }
    };
}

/// Writes the methods of an adapter's `Coordinator`.
#[doc(hidden)]
#[macro_export]
macro_rules! __coordinator {
    ($($async:ident)?) => {
        $crate::driver::handles! { Waiter: Coordinator }

        impl Coordinator {
            /// Waits for the next report: a transaction is declared, to be committed, or rolled back. `None` if the
            /// control link has ended without an error.
            ///
            /// # Errors
            ///
            /// The end of the link, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no report.")]
            pub $($async)? fn next(&self) -> $crate::client::Result<Option<CoordinatorEvent>> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Coordinator::next(self))
            }
        }

        /// A report of a [`Coordinator`].
        pub type CoordinatorEvent = $crate::driver::CoordinatorEvent<Waiter>;
        /// The request to commit a transaction. Dropping it refuses the commit.
        pub type CommitRequest = $crate::driver::CommitRequest<Waiter>;
    };
}

pub use {__coordinator as coordinator, __transaction as transaction};
