public import Memory

/// The time of day in UTC, as RFC 3339 writes it.
public enum CivilTime {
    /// Appends 24 bytes, as `2026-11-23T18:08:50.607Z`. Milliseconds are rounded down.
    public static func append(nanosecondsSince1970: UInt64, to line: inout Buffer) {
        append(millisecondsSince1970: nanosecondsSince1970 / 1_000_000, to: &line)
    }

    /// The same of a time in milliseconds, up to the end of the year 9999.
    public static func append(millisecondsSince1970 milliseconds: UInt64, to line: inout Buffer) {
        let seconds = milliseconds / 1000
        let date = date(day: Int(seconds / 86_400))
        append(UInt64(date.year), digits: 4, to: &line)
        line.append(UInt8(ascii: "-"))
        append(UInt64(date.month), digits: 2, to: &line)
        line.append(UInt8(ascii: "-"))
        append(UInt64(date.day), digits: 2, to: &line)
        line.append(UInt8(ascii: "T"))
        append(seconds / 3600 % 24, digits: 2, to: &line)
        line.append(UInt8(ascii: ":"))
        append(seconds / 60 % 60, digits: 2, to: &line)
        line.append(UInt8(ascii: ":"))
        append(seconds % 60, digits: 2, to: &line)
        line.append(UInt8(ascii: "."))
        append(milliseconds % 1000, digits: 3, to: &line)
        line.append(UInt8(ascii: "Z"))
    }

    private static func append(_ number: UInt64, digits: Int, to line: inout Buffer) {
        var divisor: UInt64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            line.append(UInt8(truncatingIfNeeded: number / divisor % 10) + UInt8(ascii: "0"))
            divisor /= 10
        }
    }

    /// The Gregorian date of a day, counted from 1970-01-01.
    ///
    /// Years are counted from March, so that the day that leap years add is the last one, and
    /// months before it follow a line of 153 days to five months (Hinnant, `civil_from_days`).
    static func date(day: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        return (year, month, dayOfMonth)
    }
}
