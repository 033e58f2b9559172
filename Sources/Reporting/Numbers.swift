/// Numbers for people: as many digits as mean something.
enum Numbers {
    /// With a fixed number of digits after the point.
    static func fixed(_ number: Double, _ digits: Int) -> String {
        guard number.isFinite else { return number > 0 ? "∞" : "−∞" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(number) * scale).rounded()
        guard scaled < 9e15 else { return String(number) }
        let whole = Int(scaled) / Int(scale)
        let sign = number < 0 && scaled > 0 ? "−" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        let fraction = String(Int(scaled) % Int(scale))
        let zeros = String(repeating: "0", count: digits - fraction.utf8.count)
        return "\(sign)\(whole).\(zeros)\(fraction)"
    }

    /// Three significant digits or so.
    static func short(_ number: Double) -> String {
        let size = abs(number)
        return fixed(number, size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size == 0 ? 2 : 4)
    }

    static func percent(_ share: Double) -> String {
        let size = abs(share * 100)
        return fixed(share * 100, size >= 10 || size == 0 ? 0 : size >= 1 ? 1 : size >= 0.1 ? 2 : 3)
    }

    /// As many digits as the half width has meaning.
    static func percentRange(_ share: Double, _ halfWidth: Double) -> String {
        let digits = halfWidth * 100 >= 0.95 ? 0 : halfWidth * 100 >= 0.095 ? 1 : 2
        return "\(fixed(abs(share) * 100, digits)) ± \(fixed(halfWidth * 100, digits)) %"
    }

    /// 200000 as `200,000`.
    static func grouped(_ number: Int) -> String {
        var digits = Array(String(abs(number)))
        var index = digits.count - 3
        while index > 0 {
            digits.insert(",", at: index)
            index -= 3
        }
        return (number < 0 ? "−" : "") + String(digits)
    }
}
