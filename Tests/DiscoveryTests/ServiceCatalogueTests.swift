import Balancing
import Configuration
import Discovery
import Testing
import Timing

@Suite("Services and routes that labels make")
struct ServiceCatalogueTests {
    private let start = LoopInstant(nanoseconds: 1)

    private func listing(
        _ service: String, _ generation: Int, _ labels: [String: String] = [:]
    ) -> ServiceCatalogue.Listing {
        var facts = ContainerFacts(id: "c\(generation)")
        facts.name = "c\(generation)"
        facts.labels = labels
        let reading = ContainerReader(DockerDiscovery.Choice())
            .read(facts, over: ServiceConfiguration(name: ""))
        return ServiceCatalogue.Listing(
            title: facts.title, service: service, generation: generation, reading: reading)
    }

    /// `a.test/api/*>shop`
    private func routes(_ catalogue: ServiceCatalogue) -> [String] {
        catalogue.routes.map { route in
            guard case .service(let name) = route.action else { return "?" }
            return "\(route.label)>\(name)"
        }
    }

    @Test("A single service needs no host; others do, or are told")
    func hosts() {
        var catalogue = ServiceCatalogue()
        catalogue.update([listing("shop", 1)], now: start)
        #expect(routes(catalogue) == ["*>shop"])
        #expect(catalogue.warnings.isEmpty)
        catalogue.update(
            [listing("shop", 1), listing("api", 2, ["staithe.host": "api.test"])], now: start)
        #expect(routes(catalogue) == ["api.test>api", "*>shop"])
        catalogue.update([listing("shop", 1), listing("blog", 3)], now: start)
        #expect(routes(catalogue).contains("*>shop"))
        #expect(!routes(catalogue).contains("*>blog"))
        #expect(
            catalogue.warnings.map(\.text) == [
                "service 'blog': no host or path leads to it, and service 'shop' has all other "
                    + "requests; add the label 'staithe.host'"
            ])
    }

    @Test("Each host with each path, the more specific first")
    func patterns() {
        var catalogue = ServiceCatalogue()
        catalogue.update(
            [listing("shop", 1, ["staithe.host": "a.test,*.b.test", "staithe.path": "/x,/x/y"])],
            now: start)
        #expect(
            routes(catalogue) == [
                "a.test/x/y/*>shop", "a.test/x/*>shop", "*.b.test/x/y/*>shop",
                "*.b.test/x/*>shop",
            ])
    }

    @Test("Of two services that want the same, the first has it")
    func ties() {
        var catalogue = ServiceCatalogue()
        let shop = listing("shop", 5, ["staithe.host": "a.test"])
        catalogue.update([shop], now: start)
        let thief = listing("api", 1, ["staithe.host": "a.test"])
        catalogue.update([shop, thief], now: start)
        #expect(routes(catalogue) == ["a.test>shop"])
        #expect(
            catalogue.warnings.map(\.text) == [
                "service 'api': service 'shop' has the requests for 'a.test' already; give them "
                    + "different hosts or paths"
            ])
    }

    @Test("Of two containers that disagree, the newer one counts, and both are named")
    func disagreement() {
        var catalogue = ServiceCatalogue()
        let old = listing("shop", 1, ["staithe.balance": "random", "staithe.host": "a.test"])
        let new = listing("shop", 2, ["staithe.balance": "p2c", "staithe.host": "b.test"])
        catalogue.update([new, old], now: start)
        #expect(catalogue.services.map(\.balance.strategy.rawValue) == ["p2c"])
        #expect(routes(catalogue) == ["a.test>shop", "b.test>shop"])
        #expect(
            catalogue.warnings.map(\.text) == [
                "container c1: its labels say another thing about service 'shop' than those of "
                    + "container c2, which is newer and counts; give all containers of a service "
                    + "the same labels"
            ])
    }

    @Test("A service without containers stays for an hour, and comes back as it was")
    func memory() {
        var catalogue = ServiceCatalogue()
        let shop = listing("shop", 1, ["staithe.host": "a.test"])
        catalogue.update([shop], now: start)
        catalogue.update([], now: start)
        #expect(routes(catalogue) == ["a.test>shop"])
        #expect(catalogue.services.map(\.name) == ["shop"])
        catalogue.update([], now: start + .seconds(3599))
        #expect(routes(catalogue) == ["a.test>shop"])
        catalogue.update([shop], now: start + .seconds(3599))
        catalogue.update([], now: start + .seconds(3599))
        catalogue.update([], now: start + .seconds(7000))
        #expect(routes(catalogue) == ["a.test>shop"])
        catalogue.update([], now: start + .seconds(7300))
        #expect(routes(catalogue) == [])
        #expect(catalogue.services.isEmpty)
    }

    @Test("A host that nobody asks for any more stays for an hour, unless somebody else does")
    func oldHost() {
        var catalogue = ServiceCatalogue()
        catalogue.update([listing("shop", 1, ["staithe.host": "a.test"])], now: start)
        let misspelt = listing("shop", 2, ["staithe.hosst": "a.test"])
        catalogue.update([misspelt], now: start)
        #expect(routes(catalogue) == ["a.test>shop", "*>shop"])
        let other = listing("other", 3, ["staithe.host": "a.test"])
        catalogue.update([misspelt, other], now: start)
        #expect(routes(catalogue) == ["a.test>other", "*>shop"])
        #expect(catalogue.warnings.isEmpty)
        catalogue.update([misspelt], now: start + .seconds(3601))
        #expect(!routes(catalogue).contains("a.test>shop"))
    }
}
