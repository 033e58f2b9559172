/// Loads that are near each other: hot-cold keeps the answer times of a server by the load that
/// it had when the request came, because a time says nothing of what a server will take now
/// unless its load was like this one.
///
/// 0 and 1 are classes of their own, larger loads are together by octaves.
public struct LoadClass: Equatable, Sendable, BitwiseCopyable {
    public static let count = 8

    /// `0 ..< count`.
    public let number: Int

    public init(number: Int) { self.number = number }

    /// - Parameter load: requests at the server when another one comes.
    public init(of load: Int) {
        // Of twice the load and one, which is never zero: that needs no case of its own.
        let odd = UInt64(truncatingIfNeeded: max(0, load)) &<< 1 | 1
        number = min(Self.count &- 1, 63 &- odd.leadingZeroBitCount)
    }

    /// The largest load of the class; of the last class, of the first octave in it.
    var largest: Int { 1 << number - 1 }
}
