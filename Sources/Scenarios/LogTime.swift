/// A point in time as logs write it.
struct LogTime {
    /// Since 1970, UTC.
    var seconds: Double
    /// Without a fraction.
    var isWhole: Bool

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `10/Oct/2026:13:55:36 -0700`, or `10/Oct/2026:13:55:36.633`.
    static func common(_ text: Substring) -> LogTime? {
        let parts = text.split(separator: " ")
        let fields = (parts.first ?? "").split(whereSeparator: { $0 == "/" || $0 == ":" })
        guard fields.count == 6, let day = Int(fields[0]),
            let month = months.firstIndex(of: String(fields[1])), let year = Int(fields[2]),
            let hour = Int(fields[3]), let minute = Int(fields[4]), let second = Double(fields[5])
        else { return nil }
        var seconds =
            Double(days(year: year, month: month + 1, day: day)) * 86_400
            + Double(hour * 3600 + minute * 60) + second
        if parts.count > 1 { seconds -= offset(parts[1]) }
        return LogTime(seconds: seconds, isWhole: !fields[5].contains("."))
    }

    /// `2026-11-23T18:08:50.607Z`, in seconds.
    static func internet(_ text: Substring) -> Double? {
        let fields = text.split(whereSeparator: { "-T:Z".contains($0) })
        guard fields.count >= 6, let year = Int(fields[0]), let month = Int(fields[1]),
            let day = Int(fields[2]), let hour = Int(fields[3]), let minute = Int(fields[4]),
            let second = Double(fields[5]), (1...12).contains(month)
        else { return nil }
        return Double(days(year: year, month: month, day: day)) * 86_400
            + Double(hour * 3600 + minute * 60) + second
    }

    /// `-0700` in seconds.
    private static func offset(_ text: Substring) -> Double {
        guard text.count == 5, let number = Int(text.dropFirst()) else { return 0 }
        let minutes = number / 100 * 60 + number % 100
        return Double(text.hasPrefix("-") ? -minutes : minutes) * 60
    }

    /// Days since 1970-01-01 in the Gregorian calendar.
    static func days(year: Int, month: Int, day: Int) -> Int {
        // From March on, so that the day that leap years add comes last.
        let shifted = month <= 2 ? year - 1 : year
        let position = (month + 9) % 12
        let dayOfYear = (153 * position + 2) / 5 + day - 1
        return 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }
}
