/// A drawing with two axes, as SVG that a page embeds: no script, colours by CSS class.
struct Chart {
    enum Scale: Equatable {
        case linear
        case logarithmic
        /// Of shares up to 1: as far from 1 as nines go.
        case nines
    }

    struct Line {
        var name: String
        /// `c0` … for strategies, `theory` for a dashed one.
        var style: String
        var points: [(x: Double, y: Double)]
        var isStrong = false
    }

    /// Something that happened at a point of the x axis.
    struct Mark {
        var x: Double
        var end: Double?
        var name: String
    }

    var title: String
    var xName: String
    var yName: String
    var xScale = Scale.linear
    var yScale = Scale.linear
    var xRange: ClosedRange<Double>
    var yRange: ClosedRange<Double>
    var xTicks: [(Double, String)] = []
    var lines: [Line] = []
    var marks: [Mark] = []

    private static let width = 560.0
    private static let height = 300.0
    private static let left = 52.0
    private static let right = 12.0
    private static let top = 14.0
    private static let bottom = 40.0

    private func place(_ value: Double, _ range: ClosedRange<Double>, _ scale: Scale) -> Double {
        func position(_ value: Double) -> Double {
            switch scale {
            case .linear: value
            case .logarithmic: Self.decades(max(value, 1e-9))
            case .nines: -Self.decades(max(1 - value, 1e-9))
            }
        }
        let low = position(range.lowerBound)
        let high = position(range.upperBound)
        guard high > low else { return 0 }
        return min(max((position(value) - low) / (high - low), 0), 1)
    }

    private func x(_ value: Double) -> Double {
        Self.left + place(value, xRange, xScale) * (Self.width - Self.left - Self.right)
    }

    private func y(_ value: Double) -> Double {
        Self.height - Self.bottom
            - place(value, yRange, yScale) * (Self.height - Self.top - Self.bottom)
    }

    /// The logarithm to base 10, near enough for a drawing.
    static func decades(_ value: Double) -> Double {
        let exponent = Double(value.exponent)
        let fraction = value.significand
        let ratio = (fraction - 1) / (fraction + 1)
        let square = ratio * ratio
        let natural = 2 * ratio * (1 + square * (1.0 / 3 + square * (1.0 / 5 + square / 7)))
        return exponent * 0.301_029_995_663_981_2 + natural * 0.434_294_481_903_251_8
    }

    // MARK: - Ticks

    /// 1, 2 and 5 of each decade, or round steps of a linear axis.
    private static func ticks(_ range: ClosedRange<Double>, _ scale: Scale) -> [Double] {
        if scale == .logarithmic {
            var ticks: [Double] = []
            var decade = 1e-6
            let spread = decades(range.upperBound) - decades(max(range.lowerBound, 1e-9))
            let factors: [Double] = spread > 2.5 ? [1] : [1, 2, 5]
            while decade < range.upperBound * 2 {
                for factor in factors where range.contains(decade * factor) {
                    ticks.append(decade * factor)
                }
                decade *= 10
            }
            return ticks
        }
        let span = range.upperBound - range.lowerBound
        var step = 1e-6
        while span / step > 5 {
            if span / (step * 2) <= 5 {
                step *= 2
            } else if span / (step * 5) <= 5 {
                step *= 5
            } else {
                step *= 10
            }
        }
        var ticks: [Double] = []
        var tick = (range.lowerBound / step).rounded(.up) * step
        while tick <= range.upperBound + step / 1000 {
            ticks.append(tick)
            tick += step
        }
        return ticks
    }

    // MARK: - SVG

    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
    }

    func svg() -> String {
        var text =
            "<figure><figcaption>\(HTML.escaped(title))</figcaption>\n<svg viewBox=\"0 0 "
            + "\(Int(Self.width)) \(Int(Self.height))\" role=\"img\" aria-label=\""
            + "\(HTML.escaped(title))\">\n"
        text += axes()
        for mark in marks { text += svg(mark) }
        for line in lines where !line.isStrong { text += svg(line) }
        for line in lines where line.isStrong { text += svg(line) }
        return text + "</svg></figure>\n"
    }

    private func axes() -> String {
        var text = ""
        let base = Self.height - Self.bottom
        for tick in Self.ticks(yRange, yScale) {
            let place = Self.number(y(tick))
            text +=
                "<path class=\"grid\" d=\"M\(Int(Self.left)) \(place)H"
                + "\(Int(Self.width - Self.right))\"/><text class=\"tick\" x=\""
                + "\(Int(Self.left - 6))\" y=\"\(place)\" dy=\"4\" text-anchor=\"end\">"
                + "\(Self.tickText(tick))</text>\n"
        }
        let ticks =
            xTicks.isEmpty
            ? Self.ticks(xRange, xScale).map { ($0, Self.tickText($0)) } : xTicks
        for (tick, name) in ticks {
            let place = Self.number(x(tick))
            let anchor = x(tick) > Self.width - 30 ? "end" : "middle"
            text +=
                "<path class=\"grid\" d=\"M\(place) \(Int(Self.top))V\(Int(base))\"/>"
                + "<text class=\"tick\" x=\"\(place)\" y=\"\(Int(base + 16))\" "
                + "text-anchor=\"\(anchor)\">\(name)</text>\n"
        }
        text +=
            "<path class=\"axis\" d=\"M\(Int(Self.left)) \(Int(Self.top))V\(Int(base))H"
            + "\(Int(Self.width - Self.right))\"/>\n"
        text +=
            "<text class=\"name\" x=\"\(Int((Self.width + Self.left) / 2))\" y=\""
            + "\(Int(Self.height - 6))\" text-anchor=\"middle\">\(HTML.escaped(xName))</text>"
        text +=
            "<text class=\"name\" transform=\"translate(12 \(Int((base + Self.top) / 2))) "
            + "rotate(-90)\" text-anchor=\"middle\">\(HTML.escaped(yName))</text>\n"
        return text
    }

    private static func tickText(_ value: Double) -> String {
        if value >= 10_000 { return "\(Int((value / 1000).rounded()))k" }
        if value >= 1 || value == 0 {
            return value == value.rounded() ? "\(Int(value))" : Numbers.fixed(value, 1)
        }
        let text = Numbers.fixed(value, value < 0.01 ? 3 : 2)
        return value >= 0.1 && text.hasSuffix("0") ? String(text.dropLast()) : text
    }

    private func svg(_ mark: Mark) -> String {
        let from = x(mark.x)
        let base = Self.height - Self.bottom
        var text = ""
        if let end = mark.end {
            let width = max(1.5, x(end) - from)
            text +=
                "<rect class=\"span\" x=\"\(Self.number(from))\" y=\"\(Int(Self.top))\" width=\""
                + "\(Self.number(width))\" height=\"\(Int(base - Self.top))\"/>"
        } else {
            text +=
                "<path class=\"mark\" d=\"M\(Self.number(from)) \(Int(Self.top))V\(Int(base))\"/>"
        }
        let isLate = from > Self.width * 0.7
        return text
            + "<text class=\"tick\" x=\"\(Self.number(from + (isLate ? -4 : 4)))\" y=\""
            + "\(Int(Self.top + 10))\" text-anchor=\"\(isLate ? "end" : "start")\">"
            + "\(HTML.escaped(mark.name))</text>\n"
    }

    private func svg(_ line: Line) -> String {
        var path = ""
        for (index, point) in line.points.enumerated() {
            path +=
                (index == 0 ? "M" : "L") + Self.number(x(point.x)) + " "
                + Self.number(y(point.y))
        }
        let strong = line.isStrong ? " strong" : ""
        return "<path class=\"line \(line.style)\(strong)\" d=\"\(path)\"><title>"
            + "\(HTML.escaped(line.name))</title></path>\n"
    }
}
