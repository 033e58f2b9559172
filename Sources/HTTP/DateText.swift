public import Memory

/// The current second as an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
///
/// ## Ownership
/// One per loop: written again only when the second has changed, and copied from there into
/// the heads that need it.
public struct DateText: ~Copyable {
    public static let byteCount = 29

    /// Holds the text, 29 bytes; `text.bytes` lends it.
    public private(set) var text = Buffer(capacity: 32)
    private var second: Int64 = .min

    /// Before the first update, the text is that of the second 0.
    public init() { update(secondsSinceEpoch: 0) }

    /// - Parameter secondsSinceEpoch: Unix time; years 0 to 9999 have a text, and times outside
    ///   them get that of the nearest.
    public mutating func update(secondsSinceEpoch: Int64) {
        guard secondsSinceEpoch != second else { return }
        second = secondsSinceEpoch
        write(min(max(secondsSinceEpoch, -62_167_219_200), 253_402_300_799))
    }

    public func append(to buffer: inout Buffer) { buffer.append(text.bytes) }

    private mutating func write(_ seconds: Int64) {
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let rest = Int(seconds - days * 86_400)
        let date = CivilDate(daysSinceEpoch: Int(days))
        text.reset()
        text.append(Self.weekday(Int(days)))
        append(date.day, " ")
        text.append(Self.month(date.month))
        append(date.year / 100, " ")
        append(date.year % 100)
        append(rest / 3600, " ")
        append(rest / 60 % 60, ":")
        append(rest % 60, ":")
        text.append(" GMT")
    }

    private mutating func append(_ number: Int, _ separator: Unicode.Scalar? = nil) {
        if let separator { text.append(UInt8(ascii: separator)) }
        text.append(UInt8(truncatingIfNeeded: number / 10 % 10) + 0x30)
        text.append(UInt8(truncatingIfNeeded: number % 10) + 0x30)
    }

    private static func weekday(_ days: Int) -> StaticString {
        // 1 January 1970 was a Thursday.
        switch ((days % 7) + 7) % 7 {
        case 0: "Thu,"
        case 1: "Fri,"
        case 2: "Sat,"
        case 3: "Sun,"
        case 4: "Mon,"
        case 5: "Tue,"
        default: "Wed,"
        }
    }

    private static func month(_ month: Int) -> StaticString {
        switch month {
        case 1: " Jan"
        case 2: " Feb"
        case 3: " Mar"
        case 4: " Apr"
        case 5: " May"
        case 6: " Jun"
        case 7: " Jul"
        case 8: " Aug"
        case 9: " Sep"
        case 10: " Oct"
        case 11: " Nov"
        default: " Dec"
        }
    }
}

/// A day of the proleptic Gregorian calendar.
public struct CivilDate: Sendable, BitwiseCopyable, Equatable {
    public var year: Int
    /// From 1.
    public var month: Int
    /// From 1.
    public var day: Int

    /// Counts in eras of 400 years, which all have 146,097 days, from 1 March: then the day
    /// that is not in every year is the last of its year.
    public init(daysSinceEpoch: Int) {
        let days = daysSinceEpoch + 719_468  // from 1 March of year 0
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }
}
