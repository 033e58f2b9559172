import Configuration

/// The scenarios that every installed program has: those of `config/scenarios`.
public enum StandardScenarios {
    /// In the order of the report.
    public static var names: [String] { texts.map(\.name) }

    /// The text of a scenario's file; `nil` for a name that is none.
    public static func text(of name: String) -> String? {
        texts.first { $0.name == name }?.text
    }

    /// `nil` for a name that is none.
    public static func read(_ name: String) -> ScenarioFile.Outcome? {
        text(of: name).map { text in
            ScenarioFile.read(
                text: Array(text.utf8), path: "config/scenarios/\(name).yaml", name: name)
        }
    }

    /// The name that was meant, for a suggestion.
    public static func nearest(to name: String) -> String? {
        Spelling.nearest(to: name, among: names)
    }
}
