//! [`ScramLimits`]: what the peer of a SCRAM dialogue may ask for.

/// Bounds on what a peer can make SCRAM do before it has shown who it is (threat E8).
///
/// ```
/// use amqp_proto::sasl::ScramLimits;
///
/// let patient = ScramLimits::default().with_iterations(10_000, 2_000_000);
/// assert_eq!(patient.fewest_iterations(), 10_000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramLimits {
    fewest_iterations: u32,
    most_iterations: u32,
    salt_octets: usize,
    nonce_octets: usize,
    message_octets: usize,
}

impl ScramLimits {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        fewest_iterations: 4_096,
        most_iterations: 1_000_000,
        salt_octets: 128,
        nonce_octets: 256,
        message_octets: 1_024,
    };

    /// Returns the fewest iterations that a client takes from a server: with fewer, whoever plays the server finds
    /// the password too easily [RFC 5802, 5.1].
    ///
    /// Default 4,096.
    pub const fn fewest_iterations(&self) -> u32 {
        self.fewest_iterations
    }

    /// Returns the most iterations that a client takes from a server.
    ///
    /// Default 1,000,000: some hundred times what is usual, and still an end.
    pub const fn most_iterations(&self) -> u32 {
        self.most_iterations
    }

    /// Sets both bounds on iterations.
    #[must_use]
    pub const fn with_iterations(mut self, fewest: u32, most: u32) -> Self {
        self.fewest_iterations = fewest;
        self.most_iterations = most;
        self
    }

    /// Returns the longest salt that a client takes from a server, in octets.
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

    /// Returns the longest nonce, in octets: the server's together with the client's at a client, the client's at
    /// a server.
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

    /// Returns the longest message, in octets.
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
