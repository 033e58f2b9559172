import Configuration
import Testing

/// The twelve typical mistakes of `interface.md` 2.2: each answer is a file that a person has
/// read. Run with `STAITHE_UPDATE_GOLDEN=1` to write them anew, then read the difference.
@Suite struct GoldenTests {
    static let directory = TestFiles.root + "/Tests/ConfigurationTests/Golden"

    @Test(arguments: TestFiles.names(in: directory, suffix: ".yaml"))
    func answer(to name: String) throws {
        let source = try #require(TestFiles.read("\(Self.directory)/\(name)"))
        var outcome = ConfigurationLoader.load(text: source, file: name)
        outcome.diagnostics += fromTheMachine(outcome, name)
        let answer = outcome.report()
        let path = "\(Self.directory)/\(name.dropLast(5)).txt"
        if TestFiles.environment("STAITHE_UPDATE_GOLDEN") != nil {
            TestFiles.write(answer, to: path)
        }
        let expected = String(decoding: TestFiles.read(path) ?? [], as: UTF8.self)
        #expect(answer == expected)
        #expect(!outcome.diagnostics.isEmpty)
        for diagnostic in outcome.diagnostics {
            // Place, cause and way out: a 3 of 3.
            #expect(diagnostic.location.line >= 1 && diagnostic.location.column >= 1)
            #expect(!diagnostic.sentence.isEmpty && !diagnostic.sentence.hasSuffix("."))
            #expect(diagnostic.help?.isEmpty == false, "\(diagnostic.sentence)")
        }
    }

    /// What `check --resolve` adds through the places of the outcome.
    private func fromTheMachine(
        _ outcome: ConfigurationLoader.Outcome, _ name: String
    ) -> [Diagnostic] {
        guard let configuration = outcome.configuration else { return [] }
        if name.hasPrefix("04-") {
            let place = outcome.places.listeners[0]
            return [
                .portInUse(
                    configuration.listeners[0].address, owner: "nginx (pid 812)",
                    at: place.location, keyPath: place.keyPath)
            ]
        }
        if name.hasPrefix("11-") {
            let place = outcome.places.servers[0][1]
            return [
                .unresolvable(
                    host: configuration.services[0].servers[1].address.host,
                    reason: "the name does not exist", at: place.location, keyPath: place.keyPath)
            ]
        }
        return []
    }

    @Test func thereAreTwelveAndTheirVariants() {
        let names = TestFiles.names(in: Self.directory, suffix: ".yaml")
        for row in 1...12 {
            let prefix = row < 10 ? "0\(row)-" : "\(row)-"
            #expect(names.contains { $0.hasPrefix(prefix) }, "row \(row)")
        }
        #expect(names.contains { $0.hasPrefix("07b-") })
    }

    @Test func sevenMistakesAndMoreComeInOneRunSortedByPlace() throws {
        let source = try #require(TestFiles.read("\(Self.directory)/13-all-in-one-run.yaml"))
        let outcome = ConfigurationLoader.load(text: source, file: "all.yaml")
        #expect(outcome.configuration == nil)
        #expect(outcome.diagnostics.count { $0.severity == .error } >= 12)
        let places = outcome.diagnostics.map(\.location)
        #expect(places == places.sorted())
    }
}
