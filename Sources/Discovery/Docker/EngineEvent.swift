/// Something that happened at an engine, as its stream tells it: one JSON object per line.
public struct EngineEvent: Equatable, Sendable {
    public enum Action: Equatable, Sendable {
        case start
        /// `nil`: Podman does not say which.
        case kill(signal: Int?)
        case die
        case pause, unpause
        case rename
        /// `nil`: Podman says only that there was a check.
        case health(ContainerFacts.Health?)
        case destroy
        /// A network of the container has changed.
        case network
        /// Nothing to us.
        case other(String)
    }

    public var action: Action
    /// Of the container.
    public var id: String
    /// The container's name.
    public var name = ""
    public var image = ""
    /// The labels of the container, and what the engine mixes into them.
    public var attributes: [String: String] = [:]
    /// In nanoseconds since 1970, never before.
    public var time: Int64 = 0

    public init(_ action: Action, id: String) {
        self.action = action
        self.id = id
    }

    /// Reads one line.
    ///
    /// - Returns: `nil` for what concerns no container.
    public static func read(_ line: [UInt8]) throws(JSONReader.Mistake) -> EngineEvent? {
        var reader = JSONReader(line)
        var kind = ""
        var word = ""
        var event = EngineEvent(.other(""), id: "")
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "Type": kind = try reader.readText() ?? ""
            case "Action": word = try reader.readText() ?? ""
            case "Actor":
                try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                    switch key {
                    case "ID": event.id = try reader.readText() ?? ""
                    case "Attributes": event.attributes = try reader.readTexts()
                    default: try reader.skipValue()
                    }
                }
            case "timeNano": event.time = max(0, Int64(try reader.readInteger() ?? 0))
            default: try reader.skipValue()
            }
        }
        try reader.finish()
        event.name = event.attributes["name"] ?? ""
        event.image = event.attributes["image"] ?? ""
        switch kind {
        case "container":
            event.action = action(word, event.attributes)
            return event.id.isEmpty ? nil : event
        case "network":
            guard word == "connect" || word == "disconnect",
                let container = event.attributes["container"]
            else { return nil }
            return EngineEvent(.network, id: container)
        default: return nil
        }
    }

    private static func action(_ word: String, _ attributes: [String: String]) -> Action {
        switch word {
        case "start": return .start
        case "kill": return .kill(signal: attributes["signal"].flatMap { SignalName.number($0) })
        case "die", "died": return .die
        case "pause": return .pause
        case "unpause": return .unpause
        case "rename": return .rename
        case "destroy", "remove": return .destroy
        default: break
        }
        guard word.hasPrefix("health_status") else { return .other(word) }
        let state = word.dropFirst("health_status".count).drop { $0 == ":" || $0 == " " }
        return .health(ContainerFacts.Health(rawValue: String(state)))
    }
}
