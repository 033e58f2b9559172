import ArgumentParser
import Linux
import Reporting
import Scenarios

/// `staithe bench scenarios`
struct BenchScenarios: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scenarios",
        abstract: "List the standard scenarios, or print one.",
        discussion: "A printed scenario is a file to start from: staithe bench scenarios burst")

    @Argument(help: "The scenario to print.")
    var name: String?

    func run() throws {
        guard let name else {
            let width = StandardScenarios.names.map(\.count).max() ?? 0
            for name in StandardScenarios.names {
                guard let file = StandardScenarios.read(name)?.file else { continue }
                let padding = String(repeating: " ", count: width - name.count)
                let variants = file.variants.count == 1 ? "" : " (\(file.variants.count) variants)"
                StandardStream.output.print("\(name)\(padding)  \(file.title)\(variants)")
            }
            return
        }
        _ = try ScenarioSource.read(name)
        if let text = StandardScenarios.text(of: name) {
            try StandardStream.output.write(Array(text.utf8))
        } else {
            throw ValidationError("'\(name)' is a file, and well-formed.")
        }
    }
}
