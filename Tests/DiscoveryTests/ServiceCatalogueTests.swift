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

    @Test("Of two services that want the same, the one with the greater priority has it")
    func priorities() {
        var catalogue = ServiceCatalogue()
        let shop = listing("shop", 1, ["staithe.host": "a.test"])
        let urgent = listing("api", 2, ["staithe.host": "a.test", "staithe.priority": "5"])
        catalogue.update([shop, urgent], now: start)
        #expect(routes(catalogue) == ["a.test>api"])
        #expect(
            catalogue.warnings.map(\.text) == [
                "service 'shop': service 'api' has the requests for 'a.test' already; give them "
                    + "different hosts or paths"
            ])
        catalogue.update([shop], now: start)
        #expect(routes(catalogue) == ["a.test>shop"], "asked for, and no longer taken")
        // Of one service, the newer container's counts.
        let late = listing("api", 3, ["staithe.host": "a.test", "staithe.priority": "-5"])
        catalogue.update([shop, urgent, late], now: start)
        #expect(routes(catalogue) == ["a.test>shop"])
        #expect(catalogue.routes[0].priority == 0)
    }

    @Test("A rule, and a listener: what they ask for besides host and path makes routes of its own")
    func rules() {
        var catalogue = ServiceCatalogue()
        let writers = listing(
            "write", 1,
            ["staithe.rule": "Host(`a.test`) && (Method(`PUT`) || Header(`X-Role`, `editor`))"])
        let readers = listing("read", 2, ["staithe.rule": "Host(`a.test`)"])
        let admin = listing("admin", 3, ["staithe.listener": "internal", "staithe.host": "a.test"])
        catalogue.update([writers, readers, admin], listeners: ["main", "internal"], now: start)
        #expect(catalogue.warnings.isEmpty, "\(catalogue.warnings)")
        let seen = catalogue.routes.map { route in
            "\(route.label) \(route.methods) \(route.headers.map(\.name)) \(route.listeners)"
        }
        #expect(
            Set(seen) == [
                "a.test [\"PUT\"] [] []", "a.test [] [\"x-role\"] []", "a.test [] [] []",
                "a.test [] [] [\"internal\"]",
            ])
        #expect(seen.last == "a.test [] [] []", "what asks for less is asked last")
    }

    @Test("A listener that there is not is told, and what served goes on")
    func unknownListener() {
        var catalogue = ServiceCatalogue()
        let good = listing("shop", 1, ["staithe.host": "a.test"])
        let wrong = listing("shop", 2, ["staithe.host": "a.test", "staithe.listener": "mian"])
        catalogue.update([good], listeners: ["main"], now: start)
        catalogue.update([wrong], listeners: ["main"], now: start)
        #expect(routes(catalogue) == ["a.test>shop"])
        #expect(
            catalogue.warnings.map(\.text) == [
                "container c2: its labels name the listener 'mian', which there is not; the "
                    + "listeners are main"
            ])
        // One that was for few is not for all because of a slip.
        let admin = listing("admin", 3, ["staithe.listener": "internl"])
        catalogue.update([admin], listeners: ["main", "internal"], now: start)
        #expect(!routes(catalogue).contains("*>admin"))
        let half = listing("admin", 4, ["staithe.listener": "internal, internl"])
        catalogue.update([half], listeners: ["main", "internal"], now: start)
        let made = catalogue.routes.first { $0.action == .service("admin") }
        #expect(made?.listeners == ["internal"])
    }

    @Test("Containers that ask for ever other hosts are bounded, and told")
    func bounds() {
        var catalogue = ServiceCatalogue()
        func hosts(_ from: Int) -> [String: String] {
            ["staithe.host": (from..<from + 600).map { "h\($0).test" }.joined(separator: ",")]
        }
        for round in 0..<8 {
            catalogue.update([listing("shop", round, hosts(round * 600))], now: start)
        }
        #expect(catalogue.routes.count <= 2 * ContainerLabels.patternBound)
        #expect(catalogue.routes.contains { $0.host == .exact("h4200.test") }, "the newest count")
        let all = (0..<20).map { listing("s\($0)", $0 + 10, hosts(10_000 + $0 * 600)) }
        catalogue.update(all, now: start)
        #expect(catalogue.routes.count == ServiceCatalogue.routeBound)
        #expect(
            catalogue.warnings.map(\.text).contains(
                "labels: they ask for more than 10000 routes: the others are left out; use "
                    + "wildcards: '*.example.com', '/api'"))
    }

    @Test(
        "A label that is there and yields nothing closes the container's routes, and is named",
        arguments: [
            ["host": ""], ["host": "\"a.test\""], ["host": "'a.test'"], ["host": ".example.com"],
            ["host": "a.test:443"], ["host": " , "], ["host": "https://a.test"],
            ["host": "a.test", "path": "admin"], ["host": "a.test", "path": ""],
            ["path": "admin"], ["path": ""], ["route": ""], ["route": "a.test:80/x"],
            ["rule": ""], ["rule": "Host(`a.test`) && Foo(`x`)"],
            ["host": "a.test", "rule": "Method(`GTE`)"], ["host": "a.test", "route": "a b"],
            ["listener": ""], ["listener": " , "], ["host": "a.test", "listener": ""],
            ["host": "a.test", "priority": "low"], ["priority": ""], ["host.x": "a.test"],
            ["hosst": "a.test"], ["hostname": "a.test"], ["path_prefix": "/a"],
            ["host": "a.test", "paths": "/admin"], ["http.routers.r.rule": "Host(`a.test`)"],
        ])
    func closed(labels: [String: String]) {
        var catalogue = ServiceCatalogue()
        let shop = listing("shop", 1, ["staithe.host": "b.test"])
        let marked = Dictionary(uniqueKeysWithValues: labels.map { ("staithe.\($0)", $1) })
        let broken = listing("admin", 2, marked)
        catalogue.update([shop, broken], listeners: ["main"], now: start)
        #expect(routes(catalogue) == ["b.test>shop"])
        #expect(!broken.reading.warnings.isEmpty)
        #expect(
            broken.reading.warnings.contains { warning in
                warning.text.hasPrefix("container c2: label 'staithe.")
                    && warning.text.contains("so no route leads to this container")
            }, "\(broken.reading.warnings.map(\.text))")
    }

    @Test("Of a list, what can be used counts; without any such label, all requests do")
    func partial() {
        var catalogue = ServiceCatalogue()
        let half = listing("shop", 1, ["staithe.host": "a.test, .b.test", "staithe.path": "/x,y"])
        catalogue.update([half], now: start)
        #expect(routes(catalogue) == ["a.test/x/*>shop"])
        #expect(half.reading.warnings.count == 2)
        var open = ServiceCatalogue()
        open.update([listing("shop", 1, ["staithe.weight": "x"])], now: start)
        #expect(routes(open) == ["*>shop"])
    }

    @Test("A rule that is not understood opens nothing")
    func brokenRule() {
        var catalogue = ServiceCatalogue()
        let broken = listing("admin", 1, ["staithe.rule": "ClientIP(`10.0.0.0/8`)"])
        catalogue.update([broken], now: start)
        #expect(routes(catalogue) == [])
        #expect(
            broken.reading.warnings.map(\.text).joined().contains("'ClientIP' is not supported"))
        let empty = listing("admin", 2, ["staithe.listener": ""])
        catalogue.update([empty], now: start)
        #expect(routes(catalogue) == [])
        #expect(empty.reading.warnings.count == 1)
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
        #expect(routes(catalogue) == ["a.test>shop"], "a slip of the pen is not for every host")
        let other = listing("other", 3, ["staithe.host": "a.test"])
        catalogue.update([misspelt, other], now: start)
        #expect(routes(catalogue) == ["a.test>other"])
        #expect(catalogue.warnings.isEmpty)
        catalogue.update([misspelt], now: start + .seconds(3601))
        #expect(!routes(catalogue).contains("a.test>shop"))
    }
}
