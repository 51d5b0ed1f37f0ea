//! Pages for users of this crate and its adapters, from the folder `docs`.

#[doc = include_str!("../docs/ADAPTERS.md")]
pub mod adapters {}

/// [drivers]: crate::guide::drivers
#[doc = include_str!("../docs/ARCHITECTURE.md")]
pub mod architecture {}

/// [outcomes]: crate::guide::outcomes
#[doc = include_str!("../docs/BROKERS.md")]
pub mod brokers {}

#[doc = include_str!("../docs/CAPTURES.md")]
pub mod captures {}

#[doc = include_str!("../docs/CONFORMANCE.md")]
pub mod conformance {}

// Its samples use the handles of the feature.
#[cfg_attr(feature = "driver", doc = include_str!("../docs/DRIVERS.md"))]
#[cfg_attr(
    not(feature = "driver"),
    doc = "How to drive the engine from any runtime: a page of the feature `driver`."
)]
pub mod drivers {}

/// [drivers]: crate::guide::drivers
#[doc = include_str!("../docs/EMBEDDED.md")]
pub mod embedded {}

/// [backoff]: crate::policy::Backoff
/// [brokers]: crate::guide::brokers
#[doc = include_str!("../docs/OUTCOMES.md")]
pub mod outcomes {}

#[doc = include_str!("../docs/PERFORMANCE.md")]
pub mod performance {}

/// [backoff]: crate::policy::Backoff
/// [outcomes]: crate::guide::outcomes
#[doc = include_str!("../docs/PROTON.md")]
pub mod proton {}

/// [backoff]: crate::policy::Backoff
/// [brokers]: crate::guide::brokers
/// [cbs]: crate::policy::Cbs
/// [correlator]: crate::policy::Correlator
/// [router]: crate::policy::Router
/// [selector]: crate::policy::Selector
/// [limits]: crate::types::Limits
/// [management]: crate::policy::Management
/// [span-links]: crate::message::SpanLinks
/// [trace-context]: crate::message::TraceContext
#[doc = include_str!("../docs/SUPPORT.md")]
pub mod support {}

#[doc = include_str!("../docs/TRACES.md")]
pub mod traces {}

#[doc = include_str!("../docs/TYPES.md")]
pub mod types {}
