/// When too few servers are believed to be healthy, belief is likelier to be wrong than the
/// servers: below the threshold all of them take requests, so that the rest is not crushed.
public struct PanicThreshold: Equatable, Sendable, BitwiseCopyable {
    /// 0 to 100; 0 never panics.
    public var percent: Int

    public init(percent: Int) { self.percent = percent }

    /// - Parameters:
    ///   - healthy: servers that take requests as far as checks and outliers are concerned.
    ///   - total: those and the ones that do not; the ones an operator took out are neither.
    public func isBelow(healthy: Int, of total: Int) -> Bool {
        healthy * 100 < percent * total
    }
}
