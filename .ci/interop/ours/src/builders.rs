//! The settings of links, written once for the builders of both clients.

use crate::client::Node;

macro_rules! sender_builder {
    ($home:expr, $sending:expr) => {{
        let sending: $crate::client::Sending = $sending;
        let mut builder = $home.sender(sending.to.address()).with_auto_settle(!sending.settles);
        builder = match sending.to {
            $crate::client::Node::At(_) => builder,
            $crate::client::Node::Dynamic | $crate::client::Node::Replies => builder.with_dynamic(),
            $crate::client::Node::None => builder.without_address(),
        };
        if let Some(mode) = sending.snd_settle_mode {
            builder = builder.with_snd_settle_mode(mode);
        }
        if let Some(mode) = sending.rcv_settle_mode {
            builder = builder.with_rcv_settle_mode(mode);
        }
        if sending.is_paired {
            builder = $crate::builders::paired!(builder);
        }
        builder
    }};
}

/// Makes a link one of a pair: both have this name and property.
macro_rules! paired {
    ($builder:expr) => {
        $builder.with_name("pair").with_properties(amqp_proto::policy::Management::<()>::link_properties())
    };
}

macro_rules! receiver_builder {
    ($home:expr, $receiving:expr) => {{
        let receiving: $crate::client::Receiving = $receiving;
        let mut builder = $home.receiver(receiving.from.address()).with_auto_accept(false);
        builder = match receiving.from {
            $crate::client::Node::At(_) => builder,
            $crate::client::Node::Dynamic => builder.with_dynamic(),
            $crate::client::Node::Replies => builder
                .with_source(amqp_proto::brokers::rabbitmq::direct_reply_to())
                .with_snd_settle_mode(amqp_proto::wire::SenderSettleMode::Settled),
            $crate::client::Node::None => builder.with_source(amqp_proto::wire::Source::default()),
        };
        if let Some(mode) = receiving.snd_settle_mode {
            builder = builder.with_snd_settle_mode(mode);
        }
        if let Some(mode) = receiving.rcv_settle_mode {
            builder = builder.with_rcv_settle_mode(mode);
        }
        if receiving.is_paired {
            builder = $crate::builders::paired!(builder);
        }
        if let Some(offset) = receiving.stream_offset {
            builder = builder.with_stream_offset(offset).with_required_filters();
        }
        builder.with_prefetch(receiving.prefetch)
    }};
}

/// Sets the outcome of a delivery by the method for that outcome.
macro_rules! end_delivery {
    ($delivery:expr, $outcome:expr) => {
        Ok(match $outcome {
            amqp_proto::wire::Outcome::Accepted => $delivery.accept()?,
            amqp_proto::wire::Outcome::Rejected(rejected) => {
                $delivery.reject(rejected.error.map(|error| *error))?
            }
            amqp_proto::wire::Outcome::Released => $delivery.release()?,
            amqp_proto::wire::Outcome::Modified(modified) => $delivery.modify(*modified)?,
            other => return Err(Failure::wrong(format!("no method gives {other:?}"))),
        })
    };
}

pub(crate) use {end_delivery, paired, receiver_builder, sender_builder};

impl Node {
    pub(crate) fn address(&self) -> String {
        match self {
            Self::At(address) => address.clone(),
            Self::Dynamic | Self::Replies | Self::None => String::new(),
        }
    }
}
