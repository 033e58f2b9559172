import Memory

/// Rendezvous hashing, or highest random weight (Thaler and Ravishankar, 1998): every server has
/// a score for every key, and the best one takes it. The score of a server of weight w is
/// −w / ln u, with u drawn by the hash of name and key, so that shares follow weights exactly.
///
/// Keys are put into 2¹⁷ buckets first, and a bucket is what is scored. Pools above
/// ``directLimit`` remember who has each bucket once it was asked for, and a change of the
/// servers looks at the remembered ones only: a newcomer is compared with the holder, and what
/// a server that leaves had is forgotten. What is remembered is what would be computed, so loops
/// and proxies agree whatever each has seen.
struct RendezvousScores: ~Copyable {
    static let bucketBits: UInt64 = 17
    /// Up to this many servers all scores are computed, each time.
    private static let directLimit = 16
    private static let unknown = UInt16.max
    /// More newcomers at once than this: forgetting all is cheaper.
    private static let newcomerLimit = 4

    /// By server: its name's hash; its weight's reciprocal, infinite for weight 0 and backups.
    private var names: FixedArray<UInt64>
    private var reciprocals: FixedArray<Double>
    private var isUniform = true
    /// By bucket; empty in small pools.
    private var holders: FixedArray<UInt16>

    /// - Parameter remembers: whether ``holder(of:)`` is going to be asked.
    init(_ servers: [ServerIdentity], remembers: Bool) {
        precondition(servers.count < Int(Self.unknown))
        names = FixedArray(servers.map { StableHash.hash($0.name) })
        reciprocals = FixedArray(servers.map { Self.reciprocal(of: $0) })
        let primary = servers.filter { Self.reciprocal(of: $0) < .infinity }
        isUniform = primary.allSatisfy { $0.weight == primary[0].weight }
        let isDirect = !remembers || servers.count <= Self.directLimit
        holders = FixedArray(
            repeating: Self.unknown, count: isDirect ? 0 : 1 << Int(Self.bucketBits))
    }

    private static func reciprocal(of server: ServerIdentity) -> Double {
        server.isBackup || server.weight == 0 ? .infinity : 1 / Double(server.weight)
    }

    /// Who has a key when everybody is in; `nil` without primary servers.
    mutating func holder(of key: UInt64) -> Int? {
        let bucket = key >> (64 - Self.bucketBits)
        guard holders.count > 0 else { return best(in: bucket) }
        let known = holders[Int(bucket)]
        guard known == Self.unknown else { return Int(known) }
        guard let server = best(in: bucket) else { return nil }
        holders[Int(bucket)] = UInt16(server)
        return server
    }

    private func best(in bucket: UInt64) -> Int? {
        var best: Int?
        if isUniform {
            // −1 / ln u grows with u: the highest hash wins.
            var most: UInt64 = 0
            for index in 0..<names.count where reciprocals[index] < .infinity {
                let hash = StableHash.joined(names[index], bucket)
                if best == nil || hash > most {
                    most = hash
                    best = index
                }
            }
            return best
        }
        var least = Double.infinity
        for index in 0..<names.count {
            let cost = cost(of: index, in: bucket)
            if cost < least {
                least = cost
                best = index
            }
        }
        return best
    }

    private func isBetter(_ index: Int, than other: Int, in bucket: Int) -> Bool {
        let bucket = UInt64(bucket)
        if isUniform, reciprocals[index] < .infinity {
            return StableHash.joined(names[index], bucket)
                > StableHash.joined(names[other], bucket)
        }
        return cost(of: index, in: bucket) < cost(of: other, in: bucket)
    }

    /// What must be least: −log₂ u / w.
    private func cost(of index: Int, in bucket: UInt64) -> Double {
        let hash = StableHash.joined(names[index], bucket)
        return Arithmetic.negativeLogarithm(hash) * reciprocals[index]
    }

    /// The best for a key by the weights of this moment, of those below the bound. O(n).
    func best<View: ServerView & ~Copyable & ~Escapable>(
        of key: UInt64, in view: borrowing View, tier: Tier, bound: LoadBound
    ) -> Int? {
        let bucket = key >> (64 - Self.bucketBits)
        var least = Double.infinity
        var best: Int?
        for index in 0..<names.count {
            let weight = view.weight(index, in: tier)
            guard weight > 0, bound.admits(view, index) else { continue }
            let hash = StableHash.joined(names[index], bucket)
            let cost = Arithmetic.negativeLogarithm(hash) / Double(weight)
            if cost < least {
                least = cost
                best = index
            }
        }
        return best
    }

    func name(of index: Int) -> UInt64 { names[index] }

    /// Follows a change of the membership or of weights.
    mutating func rebuild(_ servers: [ServerIdentity], oldIndex: (Int) -> Int?) {
        var old = RendezvousScores(servers, remembers: true)
        swap(&self, &old)
        guard holders.count > 0, old.holders.count > 0 else { return }
        var newIndex = [UInt16](repeating: Self.unknown, count: old.names.count)
        /// Newcomers, and servers that weigh more than before.
        var risen: [Int] = []
        for index in servers.indices {
            guard let place = oldIndex(index), old.names[place] == names[index] else {
                risen.append(index)
                continue
            }
            if reciprocals[index] < old.reciprocals[place] { risen.append(index) }
            // One that weighs less may lose what it has: it is asked for again.
            if reciprocals[index] <= old.reciprocals[place] { newIndex[place] = UInt16(index) }
        }
        guard risen.count <= Self.newcomerLimit else { return }
        for bucket in 0..<holders.count where old.holders[bucket] != Self.unknown {
            let kept = newIndex[Int(old.holders[bucket])]
            guard kept != Self.unknown else { continue }
            holders[bucket] = kept
            for index in risen where isBetter(index, than: Int(holders[bucket]), in: bucket) {
                holders[bucket] = UInt16(index)
            }
        }
    }
}
