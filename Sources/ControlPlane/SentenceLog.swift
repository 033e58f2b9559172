import Configuration
import Linux
import Logging
import Memory
import Telemetry

/// Writes each event as one sentence on standard error: as text on a terminal, as JSON
/// otherwise.
struct SentenceLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    private let isJSON: Bool

    init(_ configuration: LogConfiguration) {
        logLevel = configuration.level.loggerLevel
        isJSON =
            switch configuration.format {
            case .json: true
            case .text: false
            case .auto: !StandardStream.error.isTerminal
            }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let message = event.message.description
        let line =
            isJSON
            ? Self.json(event.level, message, event.metadata ?? [:], at: Clock.wall())
            : Self.text(event.level, message, at: Clock.wall())
        StandardStream.error.print(line)
    }

    /// `18:08:50 warn  127.0.0.1:3002 down: check failed 3 times, last server_refused`
    static func text(_ level: Logger.Level, _ message: String, at time: Int64) -> String {
        let clock = WallTime.text(time).dropFirst(11).prefix(8)
        let word = level.word
        return "\(clock) \(word)\(String(repeating: " ", count: 6 - word.count))\(message)"
    }

    static func json(
        _ level: Logger.Level, _ message: String, _ facts: Logger.Metadata, at time: Int64
    ) -> String {
        var line = "{\"time\":\"\(WallTime.text(time))\",\"level\":\"\(level.word)\""
        line += ",\"message\":\"\(escaped(message))\""
        for (key, value) in facts.sorted(by: { $0.key < $1.key }) {
            line += ",\"\(escaped(key))\":\"\(escaped(value.description))\""
        }
        return line + "}"
    }

    /// The inside of a JSON string (RFC 8259 §7).
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension LogConfiguration.Level {
    var loggerLevel: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .warn: .warning
        case .error: .error
        }
    }
}

extension Logger.Level {
    /// The word of our configuration.
    fileprivate var word: String {
        switch self {
        case .trace: "trace"
        case .debug: "debug"
        case .info, .notice: "info"
        case .warning: "warn"
        case .error, .critical: "error"
        }
    }
}

/// The time of day for people and for JSON.
enum WallTime {
    /// `2026-11-23T18:08:50.607Z`
    static func text(_ nanosecondsSince1970: Int64) -> String {
        var buffer = Buffer(capacity: 32)
        CivilTime.append(nanosecondsSince1970: UInt64(max(0, nanosecondsSince1970)), to: &buffer)
        return buffer.bytes.text(ByteRange(0, buffer.count))
    }
}

extension Logger.Message {
    /// A sentence in two pieces, for one that is longer than a line.
    static func + (first: Logger.Message, second: Logger.Message) -> Logger.Message {
        "\(first.description)\(second.description)"
    }
}
