/// What an engine tells of a container, in a list or in the answer about one.
public struct ContainerFacts: Equatable, Sendable {
    /// `running`, `paused`, `restarting`, `exited` and so on. The engine's other words for it
    /// (`Running`) are true for a container in a crash loop.
    public enum Status: Equatable, Sendable {
        case running, paused
        /// It does not run.
        case other(String)

        init(_ word: String) {
            switch word {
            case "running": self = .running
            case "paused": self = .paused
            default: self = .other(word)
            }
        }
    }

    /// By its own health check.
    public enum Health: String, Equatable, Sendable { case starting, healthy, unhealthy }

    public struct Network: Equatable, Sendable {
        public var ipv4: String?
        public var ipv6: String?

        public init(ipv4: String? = nil, ipv6: String? = nil) {
            self.ipv4 = ipv4
            self.ipv6 = ipv6
        }
    }

    public var id: String
    /// Without the slash before it.
    public var name = ""
    public var image = ""
    public var labels: [String: String] = [:]
    public var status = Status.running
    /// `nil`: it has none, or nobody said.
    public var health: Health?
    /// `host`, `bridge`, `container:<id>`, a name; `nil` when nobody said.
    public var networkMode: String?
    public var networks: [String: Network] = [:]
    /// The TCP ports that it exposes, ascending.
    public var ports: [UInt16] = []
    /// Only from the answer about one, and of those only the few that are configuration.
    public var environment: [String: String] = [:]
    /// In nanoseconds since 1970.
    public var startedAt: Int64?
    /// The number of the signal that stops it; `nil` when nobody said.
    public var stopSignal: Int?
    /// Seconds until the engine loses its patience.
    public var stopTimeout: Int?
    /// Whether this is the answer about one: it has all that there is.
    public var isComplete = false

    public init(id: String) { self.id = id }

    /// The signal that stops it: as the engine says, or a label where the engine is not asked.
    var ownStopSignal: Int? {
        stopSignal
            ?? ContainerReader.label("stop-signal", in: labels).flatMap { SignalName.number($0) }
    }

    /// Where it is reached, to find that another one is there now: the addresses of its networks;
    /// in the network of the host, the address and port of its labels. Empty when nobody said.
    var places: [String] {
        guard networkMode == "host" || networks["host"] != nil else {
            return networks.values.flatMap { [$0.ipv4, $0.ipv6].compactMap { $0 } }
        }
        guard let address = ContainerReader.label("address", in: labels),
            let port = ContainerReader.label("port", in: labels) ?? ports.first.map({ "\($0)" })
        else { return [] }
        return ["\(address) \(port)"]
    }

    /// As people see it.
    public var title: String { "container \(name.isEmpty ? String(id.prefix(12)) : name)" }
}

extension ContainerFacts {
    /// Reads the answer to a list.
    public static func list(_ body: [UInt8]) throws(JSONReader.Mistake) -> [ContainerFacts] {
        var reader = JSONReader(body)
        var containers: [ContainerFacts] = []
        try reader.readArray { (reader) throws(JSONReader.Mistake) in
            var facts = ContainerFacts(id: "")
            try facts.readListed(&reader)
            if !facts.id.isEmpty { containers.append(facts) }
        }
        try reader.finish()
        return containers
    }

    private mutating func readListed(_ reader: inout JSONReader) throws(JSONReader.Mistake) {
        var statusText = ""
        var ports: Set<UInt16> = []
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "Id": id = try reader.readText() ?? ""
            case "Names":
                try reader.readArray { (reader) throws(JSONReader.Mistake) in
                    // The names that links give have another slash inside.
                    let name = try reader.readText()?.drop { $0 == "/" } ?? ""
                    if self.name.isEmpty, !name.contains("/") { self.name = String(name) }
                }
            case "Image": image = try reader.readText() ?? ""
            case "Labels": labels = try reader.readTexts()
            case "State": status = Status(try reader.readText() ?? "")
            case "Status": statusText = try reader.readText() ?? ""
            case "Ports":
                try reader.readArray { (reader) throws(JSONReader.Mistake) in
                    if let port = try Self.listedPort(&reader) { ports.insert(port) }
                }
            case "HostConfig":
                try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                    if key == "NetworkMode" {
                        networkMode = try reader.readText()
                    } else {
                        try reader.skipValue()
                    }
                }
            case "NetworkSettings": try readNetworkSettings(&reader)
            case "Health": health = try Self.health(&reader) ?? health
            default: try reader.skipValue()
            }
        }
        self.ports = ports.sorted()
        health = health ?? Self.health(in: statusText)
        if statusText.hasSuffix("(Paused)") { status = .paused }
    }

    private static func listedPort(
        _ reader: inout JSONReader
    ) throws(JSONReader.Mistake) -> UInt16? {
        var number: Int?
        var isTCP = true
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "PrivatePort": number = try reader.readInteger()
            case "Type": isTCP = try reader.readText() ?? "tcp" == "tcp"
            default: try reader.skipValue()
            }
        }
        return isTCP ? number.flatMap { UInt16(exactly: $0) } : nil
    }

    /// `Up 3 seconds (healthy)`: before API 1.52 a list tells it in no other place.
    private static func health(in text: String) -> Health? {
        if text.contains("(healthy)") { return .healthy }
        if text.contains("(unhealthy)") { return .unhealthy }
        return text.contains("(health: starting)") ? .starting : nil
    }

    private static func health(
        _ reader: inout JSONReader
    ) throws(JSONReader.Mistake) -> Health? {
        var health: Health?
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            if key == "Status" {
                // Podman says "" and Docker `none` where there is no check.
                health = try reader.readText().flatMap { Health(rawValue: $0) }
            } else {
                try reader.skipValue()
            }
        }
        return health
    }

    /// Only the nested addresses: from API 1.52 on there are no others.
    private mutating func readNetworkSettings(
        _ reader: inout JSONReader
    ) throws(JSONReader.Mistake) {
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            guard key == "Networks" else { return try reader.skipValue() }
            try reader.readObject { (reader, name) throws(JSONReader.Mistake) in
                var network = Network()
                try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                    switch key {
                    case "IPAddress": network.ipv4 = try Self.address(&reader)
                    case "GlobalIPv6Address": network.ipv6 = try Self.address(&reader)
                    default: try reader.skipValue()
                    }
                }
                networks[name] = network
            }
        }
    }

    private static func address(_ reader: inout JSONReader) throws(JSONReader.Mistake) -> String? {
        let text = try reader.readText() ?? ""
        return text.isEmpty ? nil : text
    }
}

extension ContainerFacts {
    /// Reads the answer about one container.
    ///
    /// - Returns: `nil` when it names none.
    public static func inspected(_ body: [UInt8]) throws(JSONReader.Mistake) -> ContainerFacts? {
        var reader = JSONReader(body)
        var facts = ContainerFacts(id: "")
        facts.isComplete = true
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "Id": facts.id = try reader.readText() ?? ""
            case "Name": facts.name = String((try reader.readText() ?? "").drop { $0 == "/" })
            case "State": try facts.readState(&reader)
            case "HostConfig":
                try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                    if key == "NetworkMode" {
                        facts.networkMode = try reader.readText()
                    } else {
                        try reader.skipValue()
                    }
                }
            case "Config": try facts.readConfig(&reader)
            case "NetworkSettings": try facts.readNetworkSettings(&reader)
            default: try reader.skipValue()
            }
        }
        try reader.finish()
        return facts.id.isEmpty ? nil : facts
    }

    private mutating func readState(_ reader: inout JSONReader) throws(JSONReader.Mistake) {
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "Status": status = Status(try reader.readText() ?? "")
            case "StartedAt":
                startedAt = try reader.readText().flatMap { EngineTime.nanoseconds($0) }
            case "Health": health = try Self.health(&reader)
            default: try reader.skipValue()
            }
        }
    }

    private mutating func readConfig(_ reader: inout JSONReader) throws(JSONReader.Mistake) {
        var ports: Set<UInt16> = []
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "Image": image = try reader.readText() ?? ""
            case "Labels": labels = try reader.readTexts()
            case "StopSignal":
                stopSignal = try reader.readText().flatMap { SignalName.number($0) }
            case "StopTimeout": stopTimeout = try reader.readInteger()
            case "ExposedPorts":
                try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                    try reader.skipValue()
                    let parts = key.split(separator: "/")
                    if parts.count == 1 || parts.last == "tcp", let number = parts.first,
                        let port = UInt16(number)
                    {
                        ports.insert(port)
                    }
                }
            case "Env":
                try reader.readArray { (reader) throws(JSONReader.Mistake) in
                    try readVariable(reader.readText())
                }
            default: try reader.skipValue()
            }
        }
        self.ports = ports.sorted()
    }

    /// The variables that configure a proxy; the others may be secrets, and are not kept.
    private mutating func readVariable(_ text: String?) {
        guard let text, let equals = text.firstIndex(of: "=") else { return }
        let name = String(text[..<equals])
        guard name.hasPrefix("VIRTUAL_") || name == "NETWORK_ACCESS" || name == "CERT_NAME" else {
            return
        }
        environment[name] = String(text[text.index(after: equals)...])
    }
}

/// Names of signals, as engines write them.
public enum SignalName {
    private static let numbers = [
        "HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "USR1": 10, "USR2": 12, "PIPE": 13,
        "ALRM": 14, "TERM": 15, "CHLD": 17, "CONT": 18, "STOP": 19, "WINCH": 28, "PWR": 30,
    ]

    /// `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`; `nil` for anything else.
    public static func number(_ text: String) -> Int? {
        if let number = Int(text) { return (1...64).contains(number) ? number : nil }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        if let number = numbers[name] { return number }
        if name == "RTMIN" { return 34 }
        if name == "RTMAX" { return 64 }
        if name.hasPrefix("RTMIN+"), let more = Int(name.dropFirst(6)), (0...30).contains(more) {
            return 34 + more
        }
        if name.hasPrefix("RTMAX-"), let less = Int(name.dropFirst(6)), (0...30).contains(less) {
            return 64 - less
        }
        return nil
    }
}

/// Times as engines write them (RFC 3339).
public enum EngineTime {
    /// Nanoseconds since 1970, never before; `nil` for what is no time, and for the year 1, which
    /// is `never`.
    public static func nanoseconds(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes[4] == 0x2D, bytes[7] == 0x2D, bytes[10] == 0x54 else {
            return nil
        }
        func number(_ range: Range<Int>) -> Int? {
            var value = 0
            for byte in bytes[range] {
                guard (0x30...0x39).contains(byte) else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            year >= 1970, year < 2262, (1...12).contains(month), (1...31).contains(day),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        var rest = bytes[19...]
        var fraction = 0
        if rest.first == 0x2E {
            rest = rest.dropFirst()
            let digits = rest.prefix { (0x30...0x39).contains($0) }.prefix(9)
            for byte in digits { fraction = fraction * 10 + Int(byte - 0x30) }
            for _ in digits.count..<9 { fraction *= 10 }
            rest = rest.drop { (0x30...0x39).contains($0) }
        }
        guard let offset = offsetSeconds(rest) else { return nil }
        let days = days(year: year, month: month, day: day)
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - offset
        return max(0, Int64(seconds) * 1_000_000_000 + Int64(fraction))
    }

    /// `Z` or `+01:00`.
    private static func offsetSeconds(_ text: ArraySlice<UInt8>) -> Int? {
        let bytes = Array(text)
        if bytes == [0x5A] { return 0 }
        guard bytes.count == 6, bytes[0] == 0x2B || bytes[0] == 0x2D,
            let hours = Int(String(decoding: bytes[1..<3], as: UTF8.self)),
            let minutes = Int(String(decoding: bytes[4..<6], as: UTF8.self)),
            (0..<24).contains(hours), (0..<60).contains(minutes)
        else { return nil }
        let seconds = (hours * 60 + minutes) * 60
        return bytes[0] == 0x2B ? seconds : -seconds
    }

    /// Since 1970, in the calendar that has always been ours.
    private static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
