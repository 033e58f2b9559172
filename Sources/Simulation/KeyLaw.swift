import Numerics

/// Which keys requests have, for strategies that keep a key on its server.
public struct KeyLaw: Sendable, Equatable {
    public var count: Int
    /// Zipf: the i-th key is asked for in proportion to i to the power −`exponent`; 0 for all
    /// alike.
    public var exponent: Double
    /// What a server remembers; `nil` for nothing.
    public var cache: Cache?

    public struct Cache: Sendable, Equatable {
        /// Keys that a server holds; the one unused for longest (nearly: CLOCK) goes.
        public var capacity: Int
        /// What a request costs whose key is there, of one whose key is not. The mean of all
        /// is not 1 then: capacity is what it is without hits.
        public var hitCost: Double

        public init(capacity: Int, hitCost: Double) {
            self.capacity = capacity
            self.hitCost = hitCost
        }
    }

    public init(count: Int, exponent: Double, cache: Cache? = nil) {
        self.count = count
        self.exponent = exponent
        self.cache = cache
    }

    /// Draws keys, from 0.
    var lottery: AliasTable {
        AliasTable(weights: (1...count).map { 1 / Double($0).raised(to: exponent) })
    }

    /// What a request for a key asks for: the proxy's strategies hash the path.
    public static func path(of key: Int) -> String { "/key/\(key)" }
}
