public import Timing

/// A page of metrics in the text format that Prometheus reads (version 0.0.4).
///
/// A family is opened once, its samples follow. Names and help are ours; the values of labels
/// may be anybody's, and are escaped.
public struct MetricsText: Sendable {
    public enum Kind: String, Sendable { case counter, gauge, histogram }
    public typealias Labels = KeyValuePairs<String, String>

    /// The type of the page, for `Content-Type`.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The boundaries of latencies: those that OpenTelemetry advises, and two below, because a
    /// balancer sees answers that are quicker than 5 ms.
    public static let latencyBounds: [Interval] = [
        1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000,
        1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000,
    ].map { .microseconds($0) }

    public private(set) var text = ""
    private var family = ""

    public init() {}

    /// Begins a family.
    ///
    /// - Parameter name: whole, with its unit; of a counter with `_total`.
    public mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        family = name
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    public mutating func sample(_ labels: Labels, _ value: Int) {
        line("", labels, nil, "\(value)")
    }

    public mutating func sample(_ labels: Labels, _ value: UInt64) {
        line("", labels, nil, "\(value)")
    }

    public mutating func sample(_ labels: Labels, _ value: Double) {
        line("", labels, nil, "\(value)")
    }

    /// The cumulative buckets of a histogram in seconds.
    public mutating func sample(_ labels: Labels, _ histogram: borrowing Histogram) {
        for bound in Self.latencyBounds {
            let seconds = Double(bound.nanoseconds) / 1e9
            line("_bucket", labels, "\(seconds)", "\(histogram.count(atMost: bound))")
        }
        line("_bucket", labels, "+Inf", "\(histogram.count)")
        line("_sum", labels, nil, "\(Double(histogram.sumMicroseconds) / 1e6)")
        line("_count", labels, nil, "\(histogram.count)")
    }

    private mutating func line(
        _ suffix: String, _ labels: Labels, _ bound: String?, _ value: String
    ) {
        var pairs = labels.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
        if let bound { pairs.append("le=\"\(bound)\"") }
        let braces = pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
        text += "\(family)\(suffix)\(braces) \(value)\n"
    }

    private static func escaped(_ value: String) -> String {
        var escaped = ""
        for character in value {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
