import Configuration
import Linux
import Logging
import Memory
import Telemetry

/// Standard error, for sentences. Nobody waits for whoever reads it: what it does not take is
/// kept, up to a bound, for when it does.
final class SentenceOutput: Sendable {
    private struct State {
        var waiting: [UInt8] = []
        var lostCount = 0
    }

    private static let byteBound = 64 << 10
    private let state = Locked(State())

    func print(_ line: String) {
        state.withLock { state in
            let bytes = Array((line + "\n").utf8)
            if state.waiting.isEmpty || state.waiting.count + bytes.count <= Self.byteBound {
                state.waiting += bytes
            } else {
                state.lostCount += 1
            }
            Self.write(&state)
        }
    }

    /// Writes what waits.
    ///
    /// - Returns: whether nothing waits any more.
    @discardableResult
    func flush() -> Bool {
        state.withLock { state in
            Self.write(&state)
            return state.waiting.isEmpty
        }
    }

    /// How many sentences had no place, once they can be told.
    fileprivate func takeLostCount() -> Int {
        state.withLock { state in
            guard state.waiting.isEmpty else { return 0 }
            defer { state.lostCount = 0 }
            return state.lostCount
        }
    }

    private static func write(_ state: inout State) {
        guard !state.waiting.isEmpty else { return }
        do throws(Errno) {
            state.waiting.removeFirst(try StandardStream.error.writeAvailable(state.waiting))
        } catch {
            // Nobody can be told.
            state.waiting = []
        }
    }
}

/// Writes each event as one sentence on standard error: as text on a terminal, as JSON
/// otherwise.
struct SentenceLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    private let isJSON: Bool
    private let output: SentenceOutput

    init(_ configuration: LogConfiguration, to output: SentenceOutput) {
        self.output = output
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
        output.flush()
        let lostCount = output.takeLostCount()
        if lostCount > 0 {
            output.print(
                line(.warning, "\(lostCount) sentences were lost: standard error was not read"))
        }
        output.print(line(event.level, event.message.description, event.metadata ?? [:]))
    }

    private func line(
        _ level: Logger.Level, _ message: String, _ facts: Logger.Metadata = [:]
    ) -> String {
        isJSON
            ? Self.json(level, message, facts, at: Clock.wall())
            : Self.text(level, message, at: Clock.wall())
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
        text(milliseconds: UInt64(max(0, nanosecondsSince1970)) / 1_000_000)
    }

    /// Of a time that may be far: certificates without an end name the year 9999 (RFC 5280
    /// §4.1.2.5), and nanoseconds of 64 bits end in 2262.
    static func text(seconds: Int64) -> String {
        text(milliseconds: UInt64(min(max(0, seconds), 253_402_300_799)) * 1000)
    }

    private static func text(milliseconds: UInt64) -> String {
        var buffer = Buffer(capacity: 32)
        CivilTime.append(millisecondsSince1970: milliseconds, to: &buffer)
        return buffer.bytes.text(ByteRange(0, buffer.count))
    }
}

extension Logger.Message {
    /// A sentence in two pieces, for one that is longer than a line.
    static func + (first: Logger.Message, second: Logger.Message) -> Logger.Message {
        "\(first.description)\(second.description)"
    }
}
