//! The set of several receivers.

/// Writes the methods of an adapter's `ReceiverSet`.
#[doc(hidden)]
#[macro_export]
macro_rules! __receiver_set {
    ($($async:ident)?) => {
        impl<K: Clone> ReceiverSet<K> {
            /// Returns a set without receivers.
            pub fn new() -> Self {
                Self::default()
            }

            /// Adds a receiver. Its messages come with this key, which several receivers can share.
            ///
            /// The set has a handle of the link, which keeps it open.
            pub fn insert(&mut self, key: K, receiver: &Receiver) {
                self.0.insert(key, receiver);
            }

            /// Waits for the next message of any receiver, and returns it with the key of its receiver; `None` if no
            /// receiver is left.
            ///
            /// A receiver whose link has ended leaves the set after its last message. If the link has ended with an
            /// error, that is returned once, with the key.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no message.")]
            pub $($async)? fn recv(&mut self) -> Option<(K, $crate::client::Result<Delivery>)> {
                let mut turn = $crate::driver::ReceiverSet::turn(&mut self.0);
                $crate::driver::skin::poll!($($async)? |waiter| turn.poll(waiter))
            }
        }

        impl<K> ::core::default::Default for ReceiverSet<K> {
            fn default() -> Self {
                Self(::core::default::Default::default())
            }
        }

        impl<K> ::core::ops::Deref for ReceiverSet<K> {
            type Target = $crate::driver::ReceiverSet<Waiter, K>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<K> ::core::ops::DerefMut for ReceiverSet<K> {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        impl<'a, K: Clone> ::core::iter::FromIterator<(K, &'a Receiver)> for ReceiverSet<K> {
            fn from_iter<I: ::core::iter::IntoIterator<Item = (K, &'a Receiver)>>(receivers: I) -> Self {
                let mut set = Self::new();
                receivers.into_iter().for_each(|(key, receiver)| set.insert(key, receiver));
                set
            }
        }
    };
}

pub use __receiver_set as receiver_set;
