public import Configuration
public import Simulation

/// What a scenario file says: one experiment, in one or several variants.
public struct ScenarioFile: Sendable, Equatable {
    /// From the file's name, without its ending.
    public var name: String
    public var title = ""
    /// What it separates, for people; several sentences.
    public var about = ""
    /// The strategies that are worth comparing here; empty for all.
    public var strategies: [Contender] = []
    /// At least one; in the order of the file.
    public var variants: [Scenario] = []
    /// A number that changes with every change of the text, as eight hexadecimal digits.
    public var hash = ""

    public init(name: String) { self.name = name }

    /// What became of a text.
    public struct Outcome: Sendable {
        /// `nil` when there is an error.
        public var file: ScenarioFile?
        /// Sorted by place.
        public var diagnostics: [Diagnostic]
    }

    /// - Parameters:
    ///   - text: of the file.
    ///   - path: the name that stands in messages.
    ///   - name: of the scenario.
    public static func read(text: [UInt8], path: String, name: String) -> Outcome {
        let reader = ScenarioReader(path: path, name: name)
        let file = reader.read(text)
        let diagnostics = reader.diagnostics.sorted { $0.location < $1.location }
        return Outcome(
            file: diagnostics.contains { $0.severity == .error } ? nil : file,
            diagnostics: diagnostics)
    }

    /// FNV-1a over the text, which tells two files apart and keeps nobody out.
    static func hash(of text: [UInt8]) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let digits = String(UInt32(truncatingIfNeeded: hash ^ hash >> 32), radix: 16)
        return String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }
}
