//! [`Redirect`]: where a peer sends a connection or a link.

use super::referral::Referral;
use crate::types::{Fields, Str};
use crate::wire::{AmqpError, Condition};

/// The place to which a peer redirects a connection or a link [2.8.16] [2.8.18].
///
/// ```
/// use amqp_proto::policy::Redirect;
/// use amqp_proto::types::{Fields, Value};
/// use amqp_proto::wire::{AmqpError, Condition};
///
/// let info = Fields::from([
///     ("network-host", Value::from("b.example")),
///     ("port", 5671_u16.into()),
///     ("address", "jobs-2".into()),
/// ]);
/// let error = AmqpError::new(Condition::LinkRedirect).with_info(info);
/// let redirect = Redirect::of(&error).unwrap();
/// assert_eq!(redirect.server.host, "b.example");
/// assert_eq!(redirect.address.unwrap(), "jobs-2");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redirect {
    /// The server to connect to.
    pub server: Referral,
    /// The address of the node there, if a link is redirected.
    pub address: Option<Str>,
}

impl Redirect {
    /// Reads the error of a close or a detach; `None` if it is no redirect, or names no host.
    pub fn of(error: &AmqpError) -> Option<Self> {
        Self::read(&error.condition, &error.info)
    }

    /// Reads the parts of an error.
    pub(crate) fn read(condition: &Condition, info: &Fields) -> Option<Self> {
        let address = match condition {
            Condition::ConnectionRedirect => None,
            // A copy, which does not hold the received frame.
            Condition::LinkRedirect => info.get("address").and_then(|name| name.as_str()).map(Str::from),
            _ => return None,
        };
        Some(Self { server: Referral::of(info.as_map())?, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Value;

    fn redirect(condition: Condition, info: &[(&'static str, Value)]) -> Option<Redirect> {
        let info: Fields = info.iter().cloned().collect();
        Redirect::of(&AmqpError::new(condition).with_info(info))
    }

    #[test]
    fn a_link_is_redirected_to_an_address() {
        let info = [("network-host", "h".into()), ("address", Value::from("jobs"))];
        let to = redirect(Condition::LinkRedirect, &info).unwrap();
        assert_eq!((to.server.host.as_str(), to.address.as_deref()), ("h", Some("jobs")));
        let to = redirect(Condition::ConnectionRedirect, &info).unwrap();
        assert_eq!((to.server.host.as_str(), to.address), ("h", None));
        let info = [("hostname", Value::from("h")), ("address", 7.into())];
        assert_eq!(redirect(Condition::LinkRedirect, &info).unwrap().address, None);
    }

    #[test]
    fn what_names_no_server_is_no_redirect() {
        let info = [("network-host", Value::from("h"))];
        for condition in [Condition::NotFound, Condition::DetachForced] {
            assert_eq!(redirect(condition, &info), None);
        }
        for info in [&[][..], &[("address", "jobs".into())], &[("network-host", "a/b".into())]] {
            assert_eq!(redirect(Condition::LinkRedirect, info), None);
        }
    }
}
