//! The types of part 4: transactions [4.5].

use super::Outcome;
use crate::codec::composite;
use crate::types::{Many, Symbol, TransactionId, Value};

composite! {
    /// The target of a link to a transaction coordinator [4.5.1].
    rare Coordinator = "coordinator" 0x30 {
        /// The capabilities that the controller wants or the coordinator has.
        capabilities: Many<Symbol>, "symbol", multiple;
    }

    /// Asks for a transaction; the body of a message to the coordinator [4.5.2].
    rare Declare = "declare" 0x31 {
        /// The global transaction to join.
        global_id: Option<Value>, "*", optional;
    }

    /// Asks for the end of a transaction; the body of a message to the coordinator [4.5.3].
    rare Discharge = "discharge" 0x32 {
        /// The id of the transaction.
        txn_id: TransactionId, "*", mandatory;
        /// `true` to roll the transaction back; otherwise the transaction is committed.
        fail: Option<bool>, "boolean", optional;
    }

    /// The outcome of a declare: the transaction exists [4.5.5].
    rare Declared = "declared" 0x33 {
        /// The id of the transaction.
        txn_id: TransactionId, "*", mandatory;
    }

    /// The state of a delivery that belongs to a transaction [4.5.6].
    rare TransactionalState = "transactional-state" 0x34 {
        /// The id of the transaction.
        txn_id: TransactionId, "*", mandatory;
        /// The outcome that the delivery gets when the transaction is committed.
        outcome: Option<Outcome>, "*", optional;
    }
}
