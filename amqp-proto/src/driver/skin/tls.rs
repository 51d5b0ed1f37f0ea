//! The headers before TLS, over a stream of an adapter.

/// Writes an adapter's function that exchanges the headers before TLS, for streams with these bounds.
#[doc(hidden)]
#[macro_export]
macro_rules! __tls_headers {
    ($($async:ident)?; $($stream:tt)+) => {
        /// Exchanges the headers before TLS. After a failure, the peer is told which header is required.
        $($async)? fn exchange(
            stream: &mut (impl $($stream)+),
            headers: &mut $crate::client::TlsHeaders,
        ) -> ::std::io::Result<()> {
            let mut received = Ok(());
            loop {
                if let Some(header) = headers.take_output() {
                    $crate::driver::skin::call!($($async)? stream.write_all(&header))?;
                    $crate::driver::skin::call!($($async)? stream.flush())?;
                }
                received?;
                if headers.is_done() {
                    return Ok(());
                }
                received = match $crate::driver::skin::call!($($async)? stream.read(headers.input())) {
                    Err(error) if error.kind() == ::std::io::ErrorKind::Interrupted => Ok(()),
                    octets => headers.received(octets?),
                };
            }
        }
    };
}

pub use __tls_headers as tls_headers;
