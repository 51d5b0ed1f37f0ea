//! The world that fuzz targets of the adapters' core share: tasks, a pipe, and a peer.

pub mod jobs;
pub mod peer;
pub mod pipe;
pub mod tasks;
pub mod world;
