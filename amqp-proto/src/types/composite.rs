//! [`Composite`]: described lists of an application, as Rust types [1.4].

use alloc::vec::Vec;

use super::value::NULL;
use super::{Described, FromValue, List, Symbol, Value, WrongValue};

/// A composite type of an application: a described list whose items are fields [1.4].
///
/// [`composite!`](crate::composite) writes a struct with this trait. By hand, the trait takes two methods, which name
/// the fields in their order. Values of such a type convert into a [`Value`] and into the body of a message, and are
/// read by [`FromValue`]. A vector of them is a list.
///
/// ```
/// use amqp_proto::types::{
///     Composite, FieldReader, FromValue, List, Value, WrongValue,
/// };
///
/// #[derive(Debug, PartialEq)]
/// struct Point(i32, i32);
///
/// impl Composite for Point {
///     const NAME: &'static str = "com.example:point:list";
///
///     fn into_fields(self) -> List {
///         List::from([self.0, self.1])
///     }
///
///     fn from_fields(
///         fields: &mut FieldReader<'_>,
///     ) -> Result<Self, WrongValue> {
///         Ok(Self(fields.next("x")?, fields.next("y")?))
///     }
/// }
///
/// let value = Value::from(Point(3, 4));
/// assert_eq!(Point::from_value(&value), Ok(Point(3, 4)));
/// ```
pub trait Composite: Sized {
    /// The symbolic descriptor, such as `com.example:point:list`. One that is not 7-bit ASCII does not compile.
    const NAME: &'static str;
    /// The numeric descriptor, if there is one: the domain in the upper 32 bits, the type in the lower. It is shorter, so
    /// it is the one that is written. Both are read.
    const CODE: Option<u64> = None;

    /// Converts into the fields, in order. An absent one is null.
    fn into_fields(self) -> List;

    /// Reads all fields, in order.
    ///
    /// # Errors
    ///
    /// [`WrongValue`] for a field of another type.
    fn from_fields(fields: &mut FieldReader<'_>) -> Result<Self, WrongValue>;
}

/// The fields of a received composite.
#[derive(Debug)]
pub struct FieldReader<'a> {
    rest: core::slice::Iter<'a, Value>,
}

impl FieldReader<'_> {
    /// Reads the next field, null if the sender has left it out. The name is for the error.
    ///
    /// # Errors
    ///
    /// [`WrongValue`] for a field of another type.
    pub fn next<T: FromValue>(&mut self, name: &'static str) -> Result<T, WrongValue> {
        T::from_value(self.rest.next().unwrap_or(&NULL)).map_err(|error| error.inside(name))
    }
}

/// Writes no fields after the last one that is set.
impl<T: Composite> From<T> for Described {
    fn from(composite: T) -> Self {
        let mut fields = composite.into_fields().into_vec();
        while fields.pop_if(|field| field.is_null()).is_some() {}
        match T::CODE {
            Some(code) => Self::new(code, List::from(fields)),
            None => Self::new(const { Symbol::checked(T::NAME) }, List::from(fields)),
        }
    }
}

impl<T: Composite> From<T> for Value {
    fn from(composite: T) -> Self {
        Described::from(composite).into()
    }
}

impl<T: Composite> From<Vec<T>> for Value {
    fn from(composites: Vec<T>) -> Self {
        List::from_iter(composites).into()
    }
}

/// Reads either descriptor. A list with more fields than the type has is an error.
impl<T: Composite> FromValue for T {
    fn from_value(value: &Value) -> Result<Self, WrongValue> {
        let described = value.as_described().ok_or_else(|| WrongValue::new(T::NAME, value))?;
        let is_named = match described.descriptor() {
            Value::Symbol(name) => name.as_str() == T::NAME,
            Value::Ulong(code) => Some(*code) == T::CODE,
            _ => false,
        };
        if !is_named {
            return Err(WrongValue::because(T::NAME, "another descriptor"));
        }
        let list = described.value();
        let list = list.as_list().ok_or_else(|| WrongValue::new("list", list))?;
        let mut fields = FieldReader { rest: list.iter() };
        let composite = T::from_fields(&mut fields)?;
        match fields.rest.next() {
            None => Ok(composite),
            Some(_) => Err(WrongValue::because(T::NAME, "more fields")),
        }
    }
}

impl<T: Composite> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Result<Self, WrongValue> {
        let items = match value {
            Value::List(list) => &**list,
            Value::Array(array) => array.elements(),
            other => return Err(WrongValue::new("list", other)),
        };
        items.iter().map(T::from_value).collect()
    }
}

/// Defines a struct that is a [`Composite`](crate::types::Composite), with its symbolic and, if it has one, its numeric
/// descriptor.
///
/// The type of each field converts into a [`Value`](crate::types::Value), and is read by
/// [`FromValue`](crate::types::FromValue). A field that may be absent is an `Option`.
///
/// ```
/// use amqp_proto::message::{Message, MessageView};
/// use amqp_proto::types::{Limits, Str, Timestamp};
///
/// amqp_proto::composite! {
///     /// A reading of a meter.
///     #[derive(Debug, Clone, PartialEq)]
///     pub struct Reading: "com.example:reading:list", 0x4e20_0000_0001 {
///         /// The number of the meter.
///         pub meter: Str,
///         pub at: Timestamp,
///         pub watts: Option<f64>,
///     }
/// }
///
/// let reading = Reading {
///     meter: "17".into(),
///     at: Timestamp::from_millis(0),
///     watts: Some(2.5),
/// };
/// let octets = Message::new(reading.clone()).to_payload()?;
///
/// let view = MessageView::new(octets, &Limits::DEFAULT)?;
/// assert_eq!(view.body()?.read::<Reading>()?, reading);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! composite {
    (
        $(#[$attribute:meta])*
        $public:vis struct $type:ident: $name:literal $(, $code:literal)? {
            $($(#[$field_attribute:meta])* $field_public:vis $field:ident: $kind:ty),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        $public struct $type {
            $($(#[$field_attribute])* $field_public $field: $kind,)*
        }

        impl $crate::types::Composite for $type {
            const NAME: &'static str = $name;
            $(const CODE: ::core::option::Option<u64> = ::core::option::Option::Some($code);)?

            fn into_fields(self) -> $crate::types::List {
                #[allow(unused_mut)] // of a type without fields
                let mut fields = $crate::types::List::new();
                $(fields.push(self.$field);)*
                fields
            }

            fn from_fields(
                fields: &mut $crate::types::FieldReader<'_>,
            ) -> ::core::result::Result<Self, $crate::types::WrongValue> {
                ::core::result::Result::Ok(Self {
                    $($field: fields.next(::core::stringify!($field))?,)*
                })
            }
        }
    };
}
