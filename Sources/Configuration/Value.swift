public import Timing

/// Values from raw text. What YAML would make of the text never matters.
public enum Value {
    // MARK: - Words and switches

    /// `false` counts as `off`: a tool that re-emits YAML 1.1 writes it so.
    public static func isOff(_ text: String) -> Bool { text == "off" || text == "false" }

    public static func boolean(_ text: String) -> Parsed<Bool> {
        switch text {
        case "true", "on": .success(true)
        case "false", "off": .success(false)
        default:
            .failure(
                ValueMistake(
                    .wrongType, "is neither true nor false",
                    help: ["yes", "y", "1", "True", "TRUE", "On", "ON", "Yes"].contains(text)
                        ? "write 'true'"
                        : ["no", "n", "0", "False", "FALSE", "Off", "OFF", "No"].contains(text)
                            ? "write 'false'" : "write 'true' or 'false'"))
        }
    }

    /// One of the words of an enumeration; those in `unsupported` are known and refused.
    public static func word<Word: RawRepresentable & CaseIterable>(
        _ text: String, of type: Word.Type, unsupported: [String] = []
    ) -> Parsed<Word> where Word.RawValue == String {
        if let word = Word(rawValue: text) { return .success(word) }
        if isOff(text), let word = Word(rawValue: "off") { return .success(word) }
        return .failure(
            wordMistake(text, known: type.allCases.map(\.rawValue), unsupported: unsupported))
    }

    public static func wordMistake(
        _ text: String, known: [String], unsupported: [String] = []
    ) -> ValueMistake {
        if unsupported.contains(text) {
            return ValueMistake(
                .notSupported, "is not supported by this version",
                help: "use \(Spelling.list(known))")
        }
        if let near = Spelling.nearest(to: text, among: known) {
            return ValueMistake(
                .badWord, "is not a word known here", help: "did you mean '\(near)'?")
        }
        return ValueMistake(
            .badWord, "is not a word known here", help: "write \(Spelling.list(known))")
    }

    /// `off` is `nil`, everything else is for `parse`.
    static func orOff<Result>(
        _ text: String, _ parse: (String) -> Parsed<Result>
    ) -> Parsed<Result?> {
        if isOff(text) { return .success(nil) }
        return parse(text).map { Optional($0) }.mapError { mistake in
            var mistake = mistake
            mistake.help += ", or 'off'"
            return mistake
        }
    }

    // MARK: - Numbers

    public static func integer(_ text: String, in range: ClosedRange<Int>) -> Parsed<Int> {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let span = "from \(range.lowerBound) to \(range.upperBound)"
        guard isNumber else {
            return .failure(
                ValueMistake(
                    .wrongType, "is not a whole number",
                    help: "write a whole number \(span), in digits"))
        }
        if digits.utf8.count > 1, digits.hasPrefix("0") {
            let bare = digits.drop { $0 == "0" }
            return .failure(
                ValueMistake(
                    .wrongType, "begins with a zero, which some programs read as octal",
                    help: "write '\(bare.isEmpty ? "0" : bare)'"))
        }
        guard let number = Int(text), range.contains(number) else {
            return .failure(
                ValueMistake(
                    .outOfRange, "is out of range", help: "write a number \(span)"))
        }
        return .success(number)
    }

    /// A number with or without a fraction.
    public static func number(_ text: String, in range: ClosedRange<Double>) -> Parsed<Double> {
        let span = "from \(plain(range.lowerBound)) to \(plain(range.upperBound))"
        guard let (mantissa, scale) = decimal(text[...]) else {
            return .failure(
                ValueMistake(
                    .wrongType, "is not a number",
                    help: "write a number \(span), such as '\(plain(range.lowerBound))' or '0.5'"))
        }
        let number = Double(mantissa) / Double(scale)
        guard range.contains(number) else {
            return .failure(
                ValueMistake(.outOfRange, "is out of range", help: "write a number \(span)"))
        }
        return .success(number)
    }

    /// Without a fraction that is zero.
    private static func plain(_ number: Double) -> String {
        number == number.rounded() && abs(number) < 1e15 ? String(Int(number)) : String(number)
    }

    static func port(_ text: String) -> Parsed<UInt16> {
        switch integer(text, in: 1...65535) {
        case .success(let number): .success(UInt16(number))
        case .failure(let mistake): .failure(mistake)
        }
    }

    /// A share of the whole, 0...1.
    public static func percent(_ text: String) -> Parsed<Double> {
        guard text.hasSuffix("%") else {
            let isNumber = decimal(text[...]) != nil
            return .failure(
                ValueMistake(
                    .badPercent,
                    isNumber ? "is not a percentage: it has no '%'" : "is not a percentage",
                    help: isNumber ? "write '\(text)%'" : "write a number with '%', such as '20%'"))
        }
        guard let (mantissa, scale) = decimal(text.dropLast()) else {
            return .failure(
                ValueMistake(
                    .badPercent, "is not a percentage",
                    help: "write a number with '%', such as '20%'"))
        }
        let share = Double(mantissa) / Double(scale) / 100
        guard share <= 1 else {
            return .failure(
                ValueMistake(
                    .outOfRange, "is out of range", help: "write a percentage from 0% to 100%"))
        }
        return .success(share)
    }

    // MARK: - Durations

    private static let durationUnits: [(name: String, nanoseconds: UInt64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000),
        ("s", 1_000_000_000), ("ms", 1_000_000),
    ]
    /// Longer waits are mistakes, and sums of deadlines cannot overflow.
    private static let longestDuration: UInt64 = 3650 * 86_400_000_000_000

    /// - Parameter allowsZero: whether no time at all has a meaning at this key.
    public static func duration(_ text: String, allowsZero: Bool = false) -> Parsed<Interval> {
        var total: UInt64 = 0
        var rest = text[...]
        var lastUnit = UInt64.max
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(number.count)
            let word = rest.prefix { !($0.isASCII && ($0.isNumber || $0 == ".")) }
            rest = rest.dropFirst(word.count)
            guard let (mantissa, scale) = decimal(number) else {
                return .failure(durationMistake(text))
            }
            guard let unit = durationUnits.first(where: { $0.name == word })?.nanoseconds else {
                if mantissa == 0, text == "0" { break }
                return .failure(durationMistake(text))
            }
            guard unit < lastUnit else {
                return .failure(
                    ValueMistake(
                        .badDuration, "is not a duration: its units do not go from large to small",
                        help: "write the larger unit first, each unit once, such as '1m30s'"))
            }
            lastUnit = unit
            let (product, overflow) = mantissa.multipliedReportingOverflow(by: unit)
            let part = overflow ? longestDuration + 1 : product / scale
            total = min(total + min(part, longestDuration + 1), longestDuration + 1)
        }
        if text.isEmpty { return .failure(durationMistake(text)) }
        if total > longestDuration {
            return .failure(
                ValueMistake(.outOfRange, "is out of range", help: "write at most '3650d'"))
        }
        if total == 0, !allowsZero {
            return .failure(
                ValueMistake(
                    .outOfRange, "is out of range: this must be longer than 0",
                    help: "write a duration such as '5s'"))
        }
        return .success(Interval(nanoseconds: total))
    }

    static func durationOrOff(_ text: String) -> Parsed<Interval> {
        orOff(text) { duration($0) }.map { $0 ?? .forever }
    }

    private static let durationWords: [String: String] = [
        "msec": "ms", "msecs": "ms", "millis": "ms", "millisecond": "ms", "milliseconds": "ms",
        "sec": "s", "secs": "s", "second": "s", "seconds": "s",
        "min": "m", "mins": "m", "minute": "m", "minutes": "m",
        "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d",
        "us": "us", "usec": "us", "usecs": "us", "ns": "us",
    ]

    private static func durationMistake(_ text: String) -> ValueMistake {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let word = text.dropFirst(number.count).drop { $0 == " " }.lowercased()
        if decimal(number) != nil {
            if word.isEmpty {
                return ValueMistake(
                    .badDuration, "is not a duration: it has no unit",
                    help: "add the unit: '\(number)s' is seconds, '\(number)ms' is milliseconds")
            }
            if let unit = durationWords[word]
                ?? durationUnits.first(where: { $0.name == word })?.name
            {
                return unit == "us"
                    ? ValueMistake(
                        .badDuration, "is not a duration: the smallest unit is 'ms'",
                        help: "write milliseconds, such as '1ms' or '0.5ms'")
                    : ValueMistake(
                        .badDuration, "is not a duration: the unit is '\(unit)'",
                        help: "write '\(number)\(unit)'")
            }
        }
        return ValueMistake(
            .badDuration, "is not a duration",
            help: "write a number with ms, s, m, h or d, such as '250ms', '5s' or '1m30s'")
    }

    // MARK: - Sizes

    private static let sizeUnits: [(name: String, bytes: UInt64)] = [
        ("B", 1), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("KiB", 1 << 10),
        ("MiB", 1 << 20), ("GiB", 1 << 30),
    ]

    static func size(_ text: String, in range: ClosedRange<UInt64>) -> Parsed<UInt64> {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let word = String(text.dropFirst(number.count))
        guard let (mantissa, scale) = decimal(number) else {
            return .failure(
                ValueMistake(
                    .badSize, "is not a size",
                    help: "write a number with B, kB, MB, GB, KiB, MiB or GiB, such as '64KiB'"))
        }
        guard text == "0" || sizeUnits.contains(where: { $0.name == word }) else {
            return .failure(sizeMistake(String(number), word))
        }
        let unit = sizeUnits.first { $0.name == word }?.bytes ?? 1
        let (product, overflow) = mantissa.multipliedReportingOverflow(by: unit)
        guard !overflow, range.contains(product / scale) else {
            return .failure(
                ValueMistake(
                    .outOfRange, "is out of range",
                    help: "write a size from \(sizeText(range.lowerBound)) to "
                        + sizeText(range.upperBound)))
        }
        return .success(product / scale)
    }

    private static func sizeMistake(_ number: String, _ word: String) -> ValueMistake {
        if word.isEmpty {
            return ValueMistake(
                .badSize, "is not a size: it has no unit",
                help: "add the unit: '\(number)B' is bytes, '\(number)KiB' is \(number) times 1024")
        }
        let letter = word.drop { $0 == " " }.first.map { $0.uppercased() } ?? ""
        if ["K", "M", "G"].contains(letter) {
            let decimal = letter == "K" ? "kB" : letter + "B"
            return ValueMistake(
                .badSize, "is not a size: '\(word)' is read in two ways",
                help: "write '\(number)\(letter)iB' for powers of 1024, or '\(number)\(decimal)' "
                    + "for powers of 1000")
        }
        return ValueMistake(
            .badSize, "is not a size: '\(word)' is not a unit",
            help: "write a number with B, kB, MB, GB, KiB, MiB or GiB, such as '64KiB'")
    }

    private static func sizeText(_ bytes: UInt64) -> String {
        for (name, unit) in [("GiB", UInt64(1) << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where bytes >= unit && bytes % unit == 0 {
            return "\(bytes / unit)\(name)"
        }
        return "\(bytes)B"
    }

    // MARK: - Parts

    /// `12.5` as 125 and 10; at most nine digits on either side of the point.
    private static func decimal(_ text: Substring) -> (mantissa: UInt64, scale: UInt64)? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = parts.first, !whole.isEmpty else { return nil }
        let fraction = parts.count == 2 ? parts[1] : ""
        if parts.count == 2, fraction.isEmpty { return nil }
        guard whole.utf8.count <= 9, fraction.utf8.count <= 9 else { return nil }
        var mantissa: UInt64 = 0
        for byte in Array(whole.utf8) + Array(fraction.utf8) {
            guard (0x30...0x39).contains(byte) else { return nil }
            mantissa = mantissa * 10 + UInt64(byte - 0x30)
        }
        var scale: UInt64 = 1
        for _ in fraction.utf8 { scale *= 10 }
        return (mantissa, scale)
    }
}
