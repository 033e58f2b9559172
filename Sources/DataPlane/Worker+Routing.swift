import Configuration
import HTTP
import HTTP1
import Memory
import Routing

// One reading of the path serves all: the routes are asked for its normal form, and where they
// are, the normal form takes the place of what the client sent, so that strip_prefix, the log,
// the keys of strategies and the server have what was matched.
extension Worker where Kernel: ~Copyable {
    enum RouteAnswer: BitwiseCopyable, Equatable {
        case route(Int)
        case noRoute
        /// The application could read the path in another way, and be asked for what another
        /// route guards.
        case ambiguous
    }

    /// The route that takes the request.
    mutating func findRoute(_ turn: Turn) -> RouteAnswer {
        let listener = Int(turn.value.client.value.listener)
        let policy = plan.value.listeners[listener].ambiguousPaths
        // The common configuration has one route, for everything.
        if plan.value.hasOnlyCatchAll, policy != .refuse { return .route(0) }
        let head = turn.value.head
        if head.path.isEmpty {
            pathScratch.value.reset()
            pathScratch.value.append(head.isServerWide ? "*" : "/")
            return matchScratch(turn)
        }
        let start = turn.value.headStart
        let bytes = turn.value.client.value.input
            .span(from: start, to: start + head.headByteCount)
        let traits = PathNormalizer.traits(
            bytes, head.path, mergesSlashes: plan.value.listeners[listener].mergesSlashes)
        guard traits.isEmpty else { return findRoute(turn, traits, listener) }
        let index = plan.value.routes.match(
            block: bytes, host: head.hostRange,
            path: bytes.extracting(head.path.lower..<head.path.upper),
            method: head.methodRange, fields: fields, listener: listener)
        return index.map { .route($0) } ?? .noRoute
    }

    /// The same for a path that is not its normal form, or not the same to every server.
    private mutating func findRoute(
        _ turn: Turn, _ traits: PathTraits, _ listener: Int
    ) -> RouteAnswer {
        let policy = plan.value.listeners[listener].ambiguousPaths
        let isAmbiguous = !traits.isDisjoint(with: .isAmbiguous)
        if isAmbiguous, policy == .refuse { return .ambiguous }
        if plan.value.hasOnlyCatchAll { return .route(0) }
        let normal: PathReading =
            plan.value.listeners[listener].mergesSlashes ? .mergesSlashes : []
        let found = match(turn, normal)
        guard found != .ambiguous, namesPaths(turn) else { return found }
        if isAmbiguous, policy == .compare, isElsewhere(turn, found, traits, normal) {
            return .ambiguous
        }
        if traits.contains(.isNotNormal), !normalizePath(turn, normal) { return .ambiguous }
        return found
    }

    /// Whether a server that reads the path less strictly is asked for another route's path.
    private mutating func isElsewhere(
        _ turn: Turn, _ found: RouteAnswer, _ traits: PathTraits, _ normal: PathReading
    ) -> Bool {
        let hasParameters = traits.contains(.hasParameters)
        if hasParameters, match(turn, normal.union(.dropsParameters)) != found { return true }
        guard traits.contains(.hasOtherSlashes) else { return false }
        if match(turn, normal.union(.decodesSlashes)) != found { return true }
        guard hasParameters else { return false }
        let both: PathReading = [.decodesSlashes, .dropsParameters]
        return match(turn, normal.union(both)) != found
            || match(turn, normal.union(both).union(.endsParametersAtDecoded)) != found
    }

    /// Asks the routes for one reading of the path.
    private mutating func match(_ turn: Turn, _ reading: PathReading) -> RouteAnswer {
        readPath(turn, reading) ? matchScratch(turn) : .ambiguous
    }

    /// - Returns: `false` for a path that is longer than a request line may be.
    private mutating func readPath(_ turn: Turn, _ reading: PathReading) -> Bool {
        let head = turn.value.head
        let start = turn.value.headStart
        pathScratch.value.reset()
        return PathNormalizer.append(
            turn.value.client.value.input.span(from: start, to: start + head.headByteCount),
            head.path, reading, to: &pathScratch.value)
    }

    private mutating func matchScratch(_ turn: Turn) -> RouteAnswer {
        let head = turn.value.head
        let start = turn.value.headStart
        let client = turn.value.client
        let index = plan.value.routes.match(
            block: client.value.input.span(from: start, to: start + head.headByteCount),
            host: head.hostRange, path: pathScratch.value.bytes, method: head.methodRange,
            fields: fields, listener: Int(client.value.listener))
        return index.map { .route($0) } ?? .noRoute
    }

    private func namesPaths(_ turn: Turn) -> Bool {
        let start = turn.value.headStart
        return plan.value.routes.namesPaths(
            block: turn.value.client.value.input
                .span(from: start, to: start + turn.value.head.headByteCount),
            host: turn.value.head.hostRange)
    }

    /// Puts the normal form of the path where the path is. It is never longer: what stands before
    /// it moves up, and the head begins later and is read again.
    ///
    /// - Returns: `false` when that cannot be read, and the head is void.
    private mutating func normalizePath(_ turn: Turn, _ reading: PathReading) -> Bool {
        guard readPath(turn, reading) else { return false }
        let client = turn.value.client
        let head = turn.value.head
        let start = turn.value.headStart
        let end = start + head.headByteCount
        let count = pathScratch.value.count
        let shift = Int(head.path.count) - count
        guard shift > 0 else { return true }
        client.value.input.copy(
            from: start + head.methodRange.lower, to: start + head.methodRange.lower + shift,
            count: head.path.lower - head.methodRange.lower)
        for offset in 0..<count {
            client.value.input[start + head.path.lower + shift + offset] =
                pathScratch.value[pathScratch.value.start + offset]
        }
        let newStart = start + head.methodRange.lower + shift
        client.value.input.setBounds(start: newStart, end: client.value.input.end)
        turn.value.headStart = newStart
        turn.value.head = .none
        do throws(HeadError) {
            let parsed = try HeadParser.parseRequest(
                client.value.input.span(from: newStart, to: end),
                limits: plan.value.listeners[Int(client.value.listener)].headLimits,
                fields: &fields)
            guard case .complete(let shorter, byteCount: _) = parsed else { return false }
            turn.value.head = shorter
            return true
        } catch {
            fields.removeAll()
            return false
        }
    }
}
