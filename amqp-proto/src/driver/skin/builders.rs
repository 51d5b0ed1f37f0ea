//! The methods of builders of links.

/// Writes `attach`, and the setters, of an adapter's `SenderBuilder` or `ReceiverBuilder`.
#[doc(hidden)]
#[macro_export]
macro_rules! __builder {
    ($builder:ident, $handle:ident, $role:ident $(, $async:ident)?) => {
        impl $builder {
            $crate::client::link_setters!($role);

            /// Attaches the link, and waits until the peer has attached it, too.
            ///
            /// # Errors
            ///
            /// The end of the link, if the peer refuses it; [`Error::Ungranted`](crate::Error::Ungranted) if the peer
            /// does not grant a required capability or setting.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future closes the link.")]
            pub $($async)? fn attach(self) -> $crate::client::Result<$handle> {
                let link = $crate::driver::$handle::attach(&self.home, &self.settings)?;
                $crate::driver::skin::wait!($($async)? $crate::driver::$handle::attached(&link))?;
                self.settings.check(link.peer_attach())?;
                Ok(link.into())
            }
        }
    };
}

pub use __builder as builder;
