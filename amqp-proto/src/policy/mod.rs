//! Decisions that an application may leave to this crate. They are pure: no clock, no random numbers, no IO.

mod answer;
mod backoff;
mod cbs;
mod correlator;
mod failure;
mod lifetime;
mod management;
mod recent;
mod reconnect;
mod recovery;
mod redial;
mod redirect;
mod referral;
mod retries;
mod router;
mod selector;
mod termini;
mod transient;

pub use answer::answer_to;
pub use backoff::Backoff;
pub use cbs::{Cbs, CbsError, CbsEvent, CbsStep, CbsToken};
pub use correlator::{Correlator, RequestError};
pub use failure::OnFailure;
pub use lifetime::{Lifetime, LinkPlace, TerminusName};
pub use management::{
    Binding, ExchangeOptions, Management, ManagementAnswer, ManagementError, ManagementRequest, QueueInfo,
    QueueOptions,
};
pub use recent::Recent;
pub use reconnect::{AddressOrder, Reconnect};
pub use recovery::Recovery;
pub use redial::{GiveUp, Redial, RedialStep};
pub use redirect::Redirect;
pub use referral::{Dialable, Referral};
pub use retries::Retries;
pub use router::Router;
pub use selector::{
    Candidate, Field, HeaderField, PropertiesField, Selector, SelectorError, SelectorErrorKind,
};
pub use termini::{Claim, Termini};
pub use transient::{Prospect, Scope, classify, is_transient};
