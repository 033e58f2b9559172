public import Linux
public import Timing

/// What the name servers, or the hosts file, say of a name.
public enum Records: Equatable, Sendable {
    /// At least one.
    case addresses([AddressRecord])
    /// At least one, as they came.
    case services(ServiceMessage)
}

/// An address of a name, and for how long it may be believed.
public struct AddressRecord: Equatable, Sendable {
    /// With port 0.
    public var address: SocketAddress
    /// The shortest on the way from the name: aliases count too.
    public var timeToLive: Interval

    public init(_ address: SocketAddress, timeToLive: Interval) {
        self.address = address
        self.timeToLive = timeToLive
    }
}

/// Where a service is to be had (RFC 2782).
public struct ServiceRecord: Equatable, Sendable {
    /// Lower is better; the others are for when those are gone.
    public var priority: UInt16
    /// A share among equals.
    public var weight: UInt16
    public var port: UInt16
    /// In lower case, without a dot at the end.
    public var target: String
    public var timeToLive: Interval

    public init(
        priority: UInt16, weight: UInt16, port: UInt16, target: String, timeToLive: Interval
    ) {
        self.priority = priority
        self.weight = weight
        self.port = port
        self.target = target
        self.timeToLive = timeToLive
    }
}
