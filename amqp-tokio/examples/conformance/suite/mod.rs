//! The tester without its command line: cases, the runner and the reports.

pub(crate) mod broker;
pub(crate) mod case;
pub(crate) mod client;
pub(crate) mod peer;
pub(crate) mod report;
pub(crate) mod run;
mod stages;
mod wire;
