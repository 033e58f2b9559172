import Linux
import Memory
import Preamble

/// The properties of ``ProxyHeader``: it waits for no more than a header can have, and what is
/// behind it makes no difference.
///
/// The two lowest bits of the variant are the versions that are not accepted.
enum ProxyHeaderCheck {
    enum Verdict: Equatable {
        case incomplete
        case complete(SocketAddress?, Int)
        case refused(String)
    }

    static func run(_ input: FuzzInput) throws(BrokenProperty) {
        let versions = ProxyHeader.Versions(rawValue: ~input.variant & 3)
        let message = input.message
        let whole = judge(message, versions)
        switch whole {
        case .incomplete: try require(message.count < 4096 + 232 + 16, "waits without end")
        case .refused: break
        case .complete(let source, let count):
            try require(count > 0 && count <= message.count, "\(count) of \(message.count) bytes")
            let alone = judge(Array(message[..<count]), versions)
            try require(alone == whole, "without what is behind it: \(alone), not \(whole)")
            try checkSource(source)
        }
        var places = input.cuts
        if message.count <= 300 { places = Array(0..<message.count) }
        for place in places {
            let part = judge(Array(message[..<place]), versions)
            switch (part, whole) {
            case (.incomplete, _): break
            case (.complete, .complete), (.refused, .refused):
                try require(part == whole, "\(part) at \(place), then \(whole)")
            case (.refused, .incomplete), (.refused, .complete), (.complete, _):
                throw BrokenProperty(description: "\(part) at \(place), then \(whole)")
            }
        }
    }

    private static func judge(
        _ message: [UInt8], _ versions: ProxyHeader.Versions
    ) -> Verdict {
        let bytes = FixedArray(message)
        do throws(PreambleError) {
            switch try ProxyHeader.parse(bytes.bytes, accepting: versions) {
            case .incomplete: return .incomplete
            case .complete(let source, let byteCount): return .complete(source, byteCount)
            }
        } catch {
            return .refused("\(error.rule)")
        }
    }

    /// Whoever was announced to us can be announced by us, in both versions.
    private static func checkSource(_ source: SocketAddress?) throws(BrokenProperty) {
        for version in [ProxyHeader.Versions.v1, .v2] {
            var output = Buffer(capacity: 256)
            let target = source ?? .ipv4(0x7F00_0001, port: 80)
            ProxyHeader.append(version, source: source, target: target, to: &output)
            let bytes = (output.start..<output.end).map { output[$0] }
            let again = judge(bytes, version)
            try require(again == .complete(source, bytes.count), "\(again) for \(source as Any)")
        }
    }
}
