import Numerics
public import Simulation
import Timing

/// What an access log tells of a service's traffic: when requests came, and how long servers
/// took.
///
/// Understood are this proxy's own JSON lines, HAProxy's HTTP log, and the combined log of nginx
/// and Apache, with the time of the request as its last field or without.
public struct TrafficLog: Sendable {
    /// In seconds since 1970, as read.
    public private(set) var arrivals: [Double] = []
    /// In seconds: from the request's sending to the server until its answer began.
    public private(set) var durations: [Double] = []
    public private(set) var servers: Set<String> = []
    public private(set) var lineCount = 0
    public private(set) var refusedCount = 0
    /// The number and text of the first line that was not understood.
    public private(set) var firstRefused: (number: Int, text: String)?
    /// Times are whole seconds: requests of a second are spread over it at random, as clients do
    /// that know nothing of each other; the same log gives the same moments.
    public private(set) var hasWholeSeconds = false

    public init(text: String) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            lineCount += 1
            guard !line.isEmpty else { continue }
            if !read(line) {
                refusedCount += 1
                if firstRefused == nil { firstRefused = (lineCount, String(line.prefix(120))) }
            }
        }
        arrivals.sort()
        if hasWholeSeconds { spreadSeconds() }
    }

    private mutating func read(_ line: Substring) -> Bool {
        if line.hasPrefix("{") { return readJSON(line) }
        guard let open = line.firstIndex(of: "["), let close = line[open...].firstIndex(of: "]")
        else { return false }
        // A syslog prefix has brackets of its own: `haproxy[123]: 10.0.0.1:1 [date] …`.
        if let time = LogTime.common(line[line.index(after: open)..<close]) {
            return readLine(time, behind: line[line.index(after: close)...])
        }
        guard let second = line[close...].firstIndex(of: "["),
            let end = line[second...].firstIndex(of: "]"),
            let time = LogTime.common(line[line.index(after: second)..<end])
        else { return false }
        return readLine(time, behind: line[line.index(after: end)...])
    }

    private mutating func readJSON(_ line: Substring) -> Bool {
        guard let text = Self.field("time", in: line), let ended = LogTime.internet(text) else {
            return false
        }
        let total = Self.number("total", in: line).map { $0 / 1000 } ?? 0
        arrivals.append(ended - total)
        if let wait = Self.number("wait", in: line), wait > 0 { durations.append(wait / 1000) }
        if let server = Self.field("server", in: line) { servers.insert(String(server)) }
        return true
    }

    /// What stands behind the date: HAProxy's names and timers, or a quoted request.
    private mutating func readLine(_ time: LogTime, behind rest: Substring) -> Bool {
        let words = rest.split(separator: " ")
        if words.count > 3, !words[0].hasPrefix("\""), words[1].contains("/") {
            let timers = words[2].split(separator: "/").map { Double($0) }
            guard timers.count == 5, let request = timers[0], let response = timers[3] else {
                return false
            }
            // A connection on which no whole request came.
            guard request >= 0 else { return true }
            arrivals.append(time.seconds)
            if response >= 0 { durations.append(max(response, 0.5) / 1000) }
            if !words[1].hasSuffix("/<NOSRV>") { servers.insert(String(words[1])) }
            return true
        }
        guard rest.contains("\"") else { return false }
        if time.isWhole { hasWholeSeconds = true }
        var duration: Double?
        if let last = words.last, last.allSatisfy({ $0.isNumber || $0 == "." }), words.count > 6,
            let number = Double(last)
        {
            // Seconds with a fraction in nginx, whole microseconds in Apache.
            duration = last.contains(".") ? number : number / 1_000_000
        }
        arrivals.append(time.seconds - (time.isWhole ? 0 : duration ?? 0))
        if let duration { durations.append(max(duration, 0.000_5)) }
        return true
    }

    private mutating func spreadSeconds() {
        var random = SeededRandom(seed: UInt64(arrivals.count))
        for index in arrivals.indices { arrivals[index] += random.unit() }
        arrivals.sort()
    }

    private static func field(_ key: String, in line: Substring) -> Substring? {
        guard let range = line.firstRange(of: "\"\(key)\":\"") else { return nil }
        let rest = line[range.upperBound...]
        return rest.firstIndex(of: "\"").map { rest[..<$0] }
    }

    private static func number(_ key: String, in line: Substring) -> Double? {
        guard let range = line.firstRange(of: "\"\(key)\":") else { return nil }
        return Double(line[range.upperBound...].prefix { $0.isNumber || $0 == "." })
    }

    // MARK: - The fit

    /// Gaps between requests, in seconds; one fewer than requests.
    public var gaps: [Double] { zip(arrivals.dropFirst(), arrivals).map { $0 - $1 } }

    /// Requests per second.
    public var rate: Double {
        guard let first = arrivals.first, let last = arrivals.last, last > first else { return 0 }
        return Double(arrivals.count - 1) / (last - first)
    }

    /// Seconds.
    public var meanDuration: Double {
        durations.isEmpty ? 0 : durations.reduce(0, +) / Double(durations.count)
    }

    /// Variance over squared mean of the gaps: 1 for Poisson, more for bursts.
    public var gapVariation: Double { Self.variation(gaps) }
    public var durationVariation: Double { Self.variation(durations) }

    private static func variation(_ values: [Double]) -> Double {
        guard values.count > 1 else { return 0 }
        let mean = values.reduce(0, +) / Double(values.count)
        guard mean > 0 else { return 0 }
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return squares / Double(values.count - 1) / (mean * mean)
    }

    /// The durations in at most 200 buckets with as many requests each.
    public var serviceLaw: ServiceLaw? {
        guard !durations.isEmpty else { return nil }
        let sorted = durations.sorted()
        let bucketCount = min(200, sorted.count)
        var buckets: [ServiceLaw.Bucket] = []
        for bucket in 0..<bucketCount {
            let part = sorted[
                bucket * sorted.count / bucketCount..<(bucket + 1) * sorted.count / bucketCount]
            let mean = part.reduce(0, +) / Double(part.count)
            buckets.append(ServiceLaw.Bucket(value: mean, count: Double(part.count)))
        }
        return .histogram(buckets)
    }
}
