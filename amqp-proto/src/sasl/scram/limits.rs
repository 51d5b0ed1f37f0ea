//! [`ScramLimits`]: bounds on the messages of a SCRAM peer.

/// Bounds on the work that a peer can cause by SCRAM before it has authenticated.
///
/// ```
/// use amqp_proto::sasl::ScramLimits;
///
/// let patient = ScramLimits::default().with_iterations(10_000, 2_000_000);
/// assert_eq!(patient.fewest_iterations(), 10_000);
/// ```
// Threat E8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramLimits {
    fewest_iterations: u32,
    most_iterations: u32,
    salt_octets: usize,
    nonce_octets: usize,
    message_octets: usize,
}

impl ScramLimits {
    /// The default limits, as a constant.
    pub const DEFAULT: Self = Self {
        fewest_iterations: 4_096,
        most_iterations: 1_000_000,
        salt_octets: 128,
        nonce_octets: 256,
        message_octets: 1_024,
    };

    /// Returns the least number of iterations that a client accepts from a server. With fewer, an impostor
    /// could find the password too easily (RFC 5802, section 5.1).
    ///
    /// Default 4,096.
    pub const fn fewest_iterations(&self) -> u32 {
        self.fewest_iterations
    }

    /// Returns the greatest number of iterations that a client accepts from a server.
    ///
    /// Default 1,000,000, some hundred times the usual number.
    pub const fn most_iterations(&self) -> u32 {
        self.most_iterations
    }

    /// Sets both bounds on the number of iterations.
    #[must_use]
    pub const fn with_iterations(mut self, fewest: u32, most: u32) -> Self {
        self.fewest_iterations = fewest;
        self.most_iterations = most;
        self
    }

    /// Returns the greatest length of a server's salt, in octets.
    ///
    /// Default 128. Costs as much heap for a moment.
    pub const fn salt_octets(&self) -> usize {
        self.salt_octets
    }

    /// Sets [`salt_octets`](Self::salt_octets).
    #[must_use]
    pub const fn with_salt_octets(mut self, bound: usize) -> Self {
        self.salt_octets = bound;
        self
    }

    /// Returns the greatest length of a nonce, in octets: at a client both nonces together, at a server the
    /// client's nonce.
    ///
    /// Default 256. Costs as much heap for each dialogue.
    pub const fn nonce_octets(&self) -> usize {
        self.nonce_octets
    }

    /// Sets [`nonce_octets`](Self::nonce_octets).
    #[must_use]
    pub const fn with_nonce_octets(mut self, bound: usize) -> Self {
        self.nonce_octets = bound;
        self
    }

    /// Returns the greatest length of a message, in octets.
    ///
    /// Default 1,024. Costs about three times as much heap for each dialogue.
    pub const fn message_octets(&self) -> usize {
        self.message_octets
    }

    /// Sets [`message_octets`](Self::message_octets).
    #[must_use]
    pub const fn with_message_octets(mut self, bound: usize) -> Self {
        self.message_octets = bound;
        self
    }
}

impl Default for ScramLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
