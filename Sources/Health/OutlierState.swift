public import Timing

/// What real requests tell about one server: errors in a row, and the ejection they lead to.
///
/// Sixty-four bits, so that all loops share it in one atomic: load, change, compare and
/// exchange, again if another loop was faster. All bits zero is a server nothing is known of.
///
/// After ``OutlierLimits/errors`` errors in a row the server is ejected. The first time for
/// ``OutlierLimits/ejection``, each further time for twice as long, up to
/// ``OutlierLimits/longestEjection``; the doublings are forgiven one by one for each healthy
/// stretch as long as the ejection that it doubled.
///
///     bits   0 ..< 16   errors in a row
///           16 ..< 24   doublings of the next ejection
///           24 ..< 64   end of the last ejection, in milliseconds of the monotonic clock
public struct OutlierState: Sendable, Equatable, BitwiseCopyable {
    public private(set) var bits: UInt64

    public init() { bits = 0 }
    public init(bits: UInt64) { self.bits = bits }

    /// Errors since the last success; stops counting at 65535.
    public private(set) var errorCount: Int {
        get { Int(bits & 0xFFFF) }
        set { bits = bits & ~0xFFFF | UInt64(min(newValue, 0xFFFF)) }
    }

    private var doublings: Int {
        get { Int(bits >> 16 & 0xFF) }
        set { bits = bits & ~0xFF_0000 | UInt64(min(newValue, 0xFF)) << 16 }
    }

    /// When the last ejection ends or ended; zero if there was none. Rounded up to milliseconds.
    public private(set) var ejectedUntil: LoopInstant {
        get { LoopInstant(nanoseconds: (bits >> 24) * 1_000_000) }
        set {
            let milliseconds = min((newValue.nanoseconds + 999_999) / 1_000_000, 1 << 40 - 1)
            bits = bits & 0xFF_FFFF | milliseconds << 24
        }
    }

    public func isEjected(now: LoopInstant) -> Bool { now < ejectedUntil }

    /// A request to it succeeded. Ask ``hasErrors`` first: in health there is nothing to change,
    /// and the shared cell need not be written.
    public mutating func succeeded() { errorCount = 0 }

    public var hasErrors: Bool { errorCount > 0 }

    /// A request to it failed by the server's fault.
    ///
    /// - Parameter mayEject: whether another server may be out, by
    ///   ``OutlierLimits/mayEject(alreadyEjected:of:)``. If not, the errors stay counted, and the
    ///   next one asks again.
    /// - Returns: whether this error ejects the server. Errors of requests that were still under
    ///   way when it was ejected change nothing.
    public mutating func failed(_ limits: OutlierLimits, now: LoopInstant, mayEject: Bool) -> Bool {
        guard !isEjected(now: now) else { return false }
        errorCount += 1
        guard errorCount >= limits.errors, mayEject else { return false }
        forgive(limits, now: now)
        ejectedUntil = now + limits.ejection(doublings: doublings)
        doublings += 1
        errorCount = 0
        return true
    }

    /// An operator or a passed check takes it back early; its doublings stay.
    public mutating func readmit(now: LoopInstant) {
        if isEjected(now: now) { ejectedUntil = now }
        errorCount = 0
    }

    private mutating func forgive(_ limits: OutlierLimits, now: LoopInstant) {
        var healthy = now - ejectedUntil
        while doublings > 0 {
            let price = limits.ejection(doublings: doublings - 1)
            guard healthy >= price else { return }
            healthy = Interval(nanoseconds: healthy.nanoseconds - price.nanoseconds)
            doublings -= 1
        }
    }
}

/// When a server is ejected for what requests met there, and for how long.
public struct OutlierLimits: Sendable, Hashable, BitwiseCopyable {
    /// Errors in a row; 1 at least.
    public let errors: Int
    /// The first ejection.
    public let ejection: Interval
    /// What doubling stops at.
    public let longestEjection: Interval
    /// The share of a service's servers that may be out at once, in percent.
    public let maximumEjectedPercent: Int

    public init(
        errors: Int = 5, ejection: Interval = .seconds(10),
        longestEjection: Interval = .seconds(300), maximumEjectedPercent: Int = 50
    ) {
        self.errors = min(max(1, errors), 0xFFFF)
        self.ejection = ejection
        self.longestEjection = max(ejection, longestEjection)
        self.maximumEjectedPercent = min(max(0, maximumEjectedPercent), 100)
    }

    /// Whether one more server may be ejected.
    ///
    /// The share is rounded down, but unless it is 0 % it allows one of two or more. The only
    /// server of a service goes only if the share is 100 %: errors from it are better than
    /// nothing.
    public func mayEject(alreadyEjected: Int, of total: Int) -> Bool {
        var allowed = total * maximumEjectedPercent / 100
        if allowed == 0, total > 1, maximumEjectedPercent > 0 { allowed = 1 }
        return alreadyEjected < allowed
    }

    /// The length of an ejection after `doublings` earlier ones.
    func ejection(doublings: Int) -> Interval {
        var length = ejection
        for _ in 0..<doublings {
            guard length < longestEjection else { break }
            length = Interval(nanoseconds: length.nanoseconds &* 2)
        }
        return min(length, longestEjection)
    }
}
