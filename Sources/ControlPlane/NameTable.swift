import Linux
import Telemetry

/// The names behind the numbers of one generation of the configuration.
struct GenerationNames: Sendable {
    var listeners: [Int: String] = [:]
    var routes: [String] = []
    var services: [Int: String] = [:]
    /// By cell.
    var servers: [Int: String] = [:]
    var versions: [Int: String] = [:]
}

/// The names of all generations that a record may still speak of.
///
/// A cell is given to another server only after every loop has dropped it, so a record of an
/// old generation is never explained with a new one's names.
final class NameTable: Sendable {
    /// A tunnel is logged when it ends, with the generation it began in; this is how many
    /// changes of the configuration it may outlive and still be named.
    private static let capacity = 256

    private let generations = Locked<[UInt64: GenerationNames]>([:])

    func set(_ names: GenerationNames, generation: Int) {
        generations.withLock { generations in
            generations[UInt64(generation)] = names
            if generation >= Self.capacity {
                generations[UInt64(generation - Self.capacity)] = nil
            }
        }
    }

    /// What the log writer looks at for one round.
    func snapshot() -> NameSnapshot {
        NameSnapshot(generations: generations.withLock { $0 })
    }
}

struct NameSnapshot: NameLookup {
    let generations: [UInt64: GenerationNames]

    func name(of kind: NamedKind, _ number: UInt32, generation: UInt64) -> String? {
        guard let names = generations[generation] else { return nil }
        let number = Int(number)
        // A server that came while the request was under way has its name in a later one.
        if kind == .server || kind == .version, names.servers[number] == nil,
            let later = later(than: generation)
        {
            return name(of: kind, number, in: later)
        }
        return name(of: kind, number, in: names)
    }

    private func later(than generation: UInt64) -> GenerationNames? {
        guard let newest = generations.keys.max(), newest > generation else { return nil }
        return generations[newest]
    }

    private func name(
        of kind: NamedKind, _ number: Int, in names: GenerationNames
    ) -> String? {
        switch kind {
        case .listener: names.listeners[number]
        case .route: number < names.routes.count ? names.routes[number] : nil
        case .service: names.services[number]
        case .server: names.servers[number]
        case .version: names.versions[number]
        }
    }
}
