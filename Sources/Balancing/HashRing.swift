/// The ring of Ketama: every server stands on it at 160 points for each unit of its weight, and
/// a key belongs to the first point at or after its own place.
///
/// Ketama (Last.fm, 2007) took its points from MD5; these come from ``StableHash``, which is as
/// even and costs less to build. When a server leaves, its keys go to the neighbours of its
/// points, which is everybody; no other key moves.
///
/// Points are found through an index by the upper bits of the place: O(1) expected.
/// Memory: 8 bytes for a point and 4 for a place of the index.
public struct HashRing: Sendable {
    /// Points of a server for each unit of its weight.
    public static let pointsPerWeight = 160
    /// When all servers together would have more points than this, each has half as many, until
    /// they fit: a change across this boundary moves more keys than its own.
    public static let pointLimit = 1 << 20

    /// Places on the ring, in order: the upper 40 bits of a hash, and the server below.
    private var points: [UInt64] = []
    /// By the upper bits of a place: the first point at or after its beginning; one more at the
    /// end.
    private var starts: [UInt32] = [0, 0]
    private var shift: UInt64 = 63

    public init(_ servers: [ServerIdentity]) {
        precondition(servers.count < 1 << 24)
        let primary = servers.indices.filter { !servers[$0].isBackup && servers[$0].weight > 0 }
            .sorted { servers[$0].name < servers[$1].name }
        let wanted = primary.reduce(0) { $0 + servers[$1].weight * Self.pointsPerWeight }
        var halvings = 0
        while wanted >> halvings > Self.pointLimit { halvings += 1 }
        points.reserveCapacity(wanted >> halvings + primary.count)
        for server in primary {
            let name = StableHash.hash(servers[server].name)
            let count = max(1, servers[server].weight * Self.pointsPerWeight >> halvings)
            for number in 0..<count {
                let place = StableHash.joined(name, UInt64(number)) >> 24
                points.append(place << 24 | UInt64(server))
            }
        }
        sort(primary)
        index()
    }

    /// In the order of places; where two servers share one, the first name goes before.
    private mutating func sort(_ byName: [Int]) {
        var rank = [Int](repeating: 0, count: (byName.max() ?? -1) + 1)
        for (position, server) in byName.enumerated() { rank[server] = position }
        points.sort { a, b in
            a >> 24 != b >> 24
                ? a < b : rank[Int(a & 0xFF_FFFF)] < rank[Int(b & 0xFF_FFFF)]
        }
    }

    private mutating func index() {
        guard points.count > 0 else { return }
        var bits: UInt64 = 1
        while 1 << bits < points.count { bits += 1 }
        shift = 64 - bits
        starts = [UInt32](repeating: 0, count: 1 << Int(bits) + 1)
        var point = 0
        for place in 0..<starts.count {
            while point < points.count, Int(points[point] >> shift) < place { point += 1 }
            starts[place] = UInt32(point)
        }
    }

    public var pointCount: Int { points.count }

    /// The number of the point that a key belongs to; the ring must have one.
    func point(of key: UInt64) -> Int {
        var point = Int(starts[Int(key >> shift)])
        let place = key >> 24
        while point < points.count, points[point] >> 24 < place { point += 1 }
        return point == points.count ? 0 : point
    }

    func server(at point: Int) -> Int { Int(points[point] & 0xFF_FFFF) }

    func point(after point: Int) -> Int { point + 1 == points.count ? 0 : point + 1 }

    /// Who has a key when everybody is in; `nil` for a ring without servers.
    public func server(of key: UInt64) -> Int? {
        points.isEmpty ? nil : server(at: point(of: key))
    }
}
