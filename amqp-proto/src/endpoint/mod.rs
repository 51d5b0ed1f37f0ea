//! What the drivers of this workspace share, and any other with a standard library may use: what is no protocol, and
//! no IO on the connection either. Behind the feature `endpoint`.

mod observe;

pub use observe::observe;
