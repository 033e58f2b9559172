import Balancing
import Configuration
import Discovery
import Testing
import Timing

@Suite("Servers of containers")
struct ContainerReaderTests {
    private func container(
        _ labels: [String: String], networks: [String: String] = [:], mode: String? = "host",
        ports: [UInt16] = [8080], standing: EngineMachine.Standing = .pending,
        health: ContainerFacts.Health? = nil, image: String = "web:7"
    ) -> EngineMachine.Container {
        var facts = ContainerFacts(id: "0123456789abcdef")
        facts.name = "web_1"
        facts.image = image
        facts.labels = labels
        facts.networkMode = mode
        facts.networks = networks.mapValues { .init(ipv4: $0) }
        facts.ports = ports
        facts.health = health
        return EngineMachine.Container(facts: facts, generation: 3, standing: standing)
    }

    private struct Made {
        var server: DiscoveredServer?
        var service: ServiceConfiguration
        var labels: ContainerLabels
        var warnings: [String]
        var address: String? { server?.configuration.address.description }
    }

    private func make(
        _ container: EngineMachine.Container, _ choice: DockerDiscovery.Choice = .init(),
        own: Set<String> = [], others: [String: ContainerFacts] = [:]
    ) -> Made {
        var reader = ContainerReader(choice)
        reader.ownNetworks = own
        let reading = reader.read(container.facts, over: ServiceConfiguration(name: "app"))
        let (server, warnings) = reader.server(container, reading) { others[$0] }
        return Made(
            server: server, service: reading.service, labels: reading.labels,
            warnings: (reading.warnings + warnings).map(\.text))
    }

    private let onHost = ["staithe.address": "127.0.0.2"]

    // MARK: - What it is

    @Test("Name, address, weight, version and identity")
    func plain() throws {
        let made = make(container(onHost))
        let server = try #require(made.server)
        #expect(server.configuration.name == "web_1")
        #expect(made.address == "127.0.0.2:8080")
        #expect(server.configuration.weight == 1)
        #expect(server.configuration.version == "7")
        #expect(server.identity == "0123456789ab#3")
        #expect(made.warnings.isEmpty)
        var labels = onHost
        labels["staithe.weight"] = "5"
        labels["staithe.version"] = "blue"
        labels["staithe.port"] = "9"
        labels["staithe.backup"] = "true"
        let other = try #require(make(container(labels)).server?.configuration)
        #expect(other.weight == 5)
        #expect(other.version == "blue")
        #expect(other.address.port == 9)
        #expect(other.isBackup)
    }

    @Test("The version comes from where the configuration says")
    func versions() {
        var labels = onHost
        labels["staithe.version"] = "blue"
        for (from, image, version) in [
            (DockerDiscovery.Choice.VersionSource.automatic, "web:7", "blue"),
            (.imageTag, "registry:5000/web:7", "7"), (.imageTag, "registry:5000/web", nil),
            (.imageTag, "web@sha256:0123", nil), (.label, "web:7", "blue"),
        ] as [(DockerDiscovery.Choice.VersionSource, String, String?)] {
            var choice = DockerDiscovery.Choice()
            choice.versionFrom = from
            let made = make(container(labels, image: image), choice)
            #expect(made.server?.configuration.version == version, "\(from) \(image)")
        }
    }

    @Test("What is believed of a container is what its server may do")
    func states() {
        typealias Standing = EngineMachine.Standing
        for (standing, state) in [
            (Standing.pending, ServerState.pending), (.healthy, .admitted), (.unhealthy, .down),
            (.paused, .down), (.draining, .draining),
        ] {
            #expect(make(container(onHost, standing: standing)).server?.state == state)
        }
        var labels = onHost
        labels["staithe.docker-health"] = "ignore"
        #expect(make(container(labels, standing: .healthy)).server?.state == .pending)
        #expect(make(container(labels, standing: .unhealthy)).server?.state == .pending)
        labels["staithe.docker-health"] = "require"
        let starting = container(labels, standing: .pending, health: .starting)
        #expect(make(starting).server == nil)
        #expect(make(starting).warnings.isEmpty)
        #expect(make(container(labels, standing: .healthy)).server?.state == .admitted)
    }

    // MARK: - Where it is

    @Test("A label may lead to an address only where it cannot be abused")
    func addresses() {
        let wild = ["staithe.address": "169.254.169.254"]
        let own = ["net": "10.0.0.5"]
        let refused = make(container(wild, networks: own, mode: "net"))
        #expect(refused.address == "10.0.0.5:8080")
        #expect(
            refused.warnings == [
                "container web_1: label 'staithe.address' leads to 169.254.169.254, which is not "
                    + "allowed for a container with a network of its own; remove the label, or "
                    + "allow the address with 'allow_addresses'"
            ])
        var choice = DockerDiscovery.Choice()
        choice.allowedAddresses = ["169.254.0.0/16", "fd00::/8"].compactMap { range($0) }
        #expect(
            make(container(wild, networks: own, mode: "net"), choice).address
                == "169.254.169.254:8080")
        let inside = ["staithe.address": "fd00::1"]
        let outside = ["staithe.address": "fe00::1"]
        #expect(
            make(container(inside, networks: own, mode: "net"), choice).address == "[fd00::1]:8080")
        #expect(
            make(container(outside, networks: own, mode: "net"), choice).address == "10.0.0.5:8080")
        #expect(make(container(onHost)).address == "127.0.0.2:8080")
        let unsaid = make(container([:]))
        #expect(unsaid.server == nil)
        #expect(unsaid.warnings[0].contains("nobody says at which address it listens"))
        let name = make(container(["staithe.address": "example.com"]))
        #expect(name.server == nil)
        #expect(name.warnings[0].contains("'example.com' is not a numeric address"))
    }

    private func range(_ text: String) -> AddressRange? {
        let outcome = ConfigurationLoader.load(
            text: Array(
                """
                listeners: { a: { address: 8080, trusted_proxies: ["\(text)"] } }
                services: { app: { servers: [1] } }
                """.utf8), file: "x")
        return outcome.configuration?.listeners[0].trustedProxies.first
    }

    @Test("Of several networks, the one that is named, then the one that is shared")
    func networks() {
        let two = ["back": "10.1.0.5", "front": "10.2.0.5"]
        let guessed = make(container([:], networks: two, mode: "back"))
        #expect(guessed.address == "10.1.0.5:8080")
        #expect(guessed.warnings.count == 1)
        #expect(
            make(container([:], networks: two, mode: "back"), own: ["front"]).address
                == "10.2.0.5:8080")
        #expect(
            make(container(["staithe.network": "front"], networks: two, mode: "back")).address
                == "10.2.0.5:8080")
        var choice = DockerDiscovery.Choice()
        choice.network = "front"
        #expect(
            make(container([:], networks: two, mode: "back"), choice).address == "10.2.0.5:8080")
        let composed = make(
            container(
                ["staithe.network": "front", "com.docker.compose.project": "p"],
                networks: ["p_front": "10.3.0.5", "p_back": "10.4.0.5"], mode: "p_front"))
        #expect(composed.address == "10.3.0.5:8080")
        let wrong = make(container(["staithe.network": "frnt"], networks: two, mode: "back"))
        #expect(wrong.server == nil)
        #expect(
            wrong.warnings == [
                "container web_1: it is not in the network 'frnt'; it is in back, front; correct "
                    + "the name, or connect the container"
            ])
        let only = make(
            container(["staithe.network": "frnt"], networks: ["back": "10.1.0.5"], mode: "back"))
        #expect(only.address == "10.1.0.5:8080", "there is only one way")
        #expect(make(container([:], networks: [:], mode: "none")).warnings.count == 1)
    }

    @Test("One that uses another's network has its address")
    func sharedNetwork() {
        var other = ContainerFacts(id: "ff")
        other.networks = ["net": .init(ipv4: "10.0.0.9")]
        let made = make(container([:], mode: "container:ff"), others: ["ff": other])
        #expect(made.address == "10.0.0.9:8080")
        #expect(make(container([:], mode: "container:ff")).server == nil)
    }

    @Test("Of several ports the lowest, with a warning; of none, none")
    func ports() {
        let several = make(container(onHost, ports: [80, 8080]))
        #expect(several.address == "127.0.0.2:80")
        #expect(
            several.warnings == [
                "container web_1: it exposes several ports (80, 8080), and 80 is used; say which "
                    + "with 'staithe.port'"
            ])
        let none = make(container(onHost, ports: []))
        #expect(none.server == nil)
        #expect(
            none.warnings == [
                "container web_1: it exposes no port, and nobody says which one it serves; add the "
                    + "label 'staithe.port'"
            ])
        var labels = onHost
        labels["staithe.port"] = "80a"
        let wrong = make(container(labels))
        #expect(
            wrong.warnings == [
                "container web_1: label 'staithe.port': '80a' is not a whole number, so it gets no "
                    + "requests; write a whole number from 1 to 65535, in digits"
            ])
    }

    @Test("A port or a scheme that cannot be read leads to no other port, and to none in the clear")
    func unreachable() {
        for (label, value) in [
            ("port", "8080/tcp"), ("port", ""), ("port", "80a"), ("port", "0"), ("port", "http"),
            ("scheme", "HTTPS"), ("scheme", ""), ("scheme", "https://"),
        ] {
            var labels = onHost
            labels["staithe.\(label)"] = value
            // The lowest port that is exposed may be a debugger's.
            let made = make(container(labels, ports: [5005, 8080]))
            #expect(made.server == nil, "\(label)=\(value)")
            #expect(made.warnings.count == 1, "\(made.warnings)")
            #expect(
                made.warnings.allSatisfy {
                    $0.contains("label 'staithe.\(label)'") && $0.contains("gets no requests")
                }, "\(made.warnings)")
            var choice = DockerDiscovery.Choice()
            choice.port = 8080
            #expect(make(container(labels), choice).server == nil)
        }
    }

    @Test("Names of labels are written in any case")
    func cases() {
        let made = make(
            container(["Staithe.Address": "127.0.0.2", "STAITHE.PORT": "9", "staithe.HOST": "a.b"]))
        #expect(made.address == "127.0.0.2:9")
        #expect(made.labels.hosts == [.exact("a.b")])
        var choice = DockerDiscovery.Choice()
        choice.isCatalogued = true
        let reader = ContainerReader(choice)
        #expect(reader.isWanted(["Staithe.Enable": "true"], by: nil))
        #expect(
            !ContainerReader(.init()).isWanted(
                ["staithe.service": "app", "Staithe.Enable": "false"], by: "app"))
    }

    @Test("What is to enable a container and cannot be read leaves it out, and is told")
    func enabled() {
        var choice = DockerDiscovery.Choice()
        choice.isCatalogued = true
        let catalogued = ContainerReader(choice)
        let listed = ContainerReader(DockerDiscovery.Choice())
        for word in ["False", "0", "no", "", "True", "yes", "1"] {
            let labels = ["staithe.enable": word, "staithe.service": "app"]
            let facts = container(labels).facts
            #expect(!catalogued.isWanted(labels, by: nil), "\(word)")
            #expect(
                catalogued.hint(about: facts)?.text.contains(
                    "label 'staithe.enable': '\(word)' is neither true nor false, so it is left out"
                ) ?? false, "\(word)")
            let reading = listed.read(facts, over: ServiceConfiguration(name: "app"))
            #expect(!listed.isMeant(reading.labels), "\(word)")
            #expect(
                reading.warnings.map(\.text).joined().contains("so it is left out"),
                "\(reading.warnings)")
        }
    }

    @Test("What decides about security is not taken from labels, and named")
    func security() {
        for label in [
            "tls.verify", "tls.ca", "tls.cert", "tls.key", "tls.pins", "trusted-proxies",
            "proxy-protocol", "send-proxy-protocol", "headers.forwarded", "forwarded",
            "client-auth", "client-ca", "allow-addresses",
        ] {
            let made = make(
                container(
                    onHost.merging([
                        "staithe.\(label)": "false", "staithe.scheme": "https",
                        "staithe.host": "a.test",
                    ]) { $1 }))
            #expect(made.service.tls?.verifies == true, "\(label)")
            #expect(made.service.sendsProxyProtocol == .off)
            #expect(made.server != nil, "it costs the label")
            #expect(!made.labels.wanted.isEmpty, "\(label)")
            let name = label == "headers.forwarded" ? "headers" : label.replacing("-", with: "_")
            #expect(
                made.warnings.map { $0.replacing("-", with: "_") } == [
                    "container web_1: label 'staithe.\(name)': it decides about security or about "
                        + "files of this host, so it is not taken from labels; remove it, and say "
                        + "it in the file, in a service that discovers its containers"
                ], "\(made.warnings)")
        }
    }

    // MARK: - Its service

    @Test("Compose and Swarm name a service when no label does")
    func serviceNames() {
        func name(_ labels: [String: String]) -> String {
            let facts = container(labels).facts
            return ContainerReader.serviceName(facts, make(container(labels)).labels)
        }
        #expect(name(["staithe.service": "shop"]) == "shop")
        #expect(
            name(["com.docker.compose.project": "p", "com.docker.compose.service": "web"])
                == "p-web")
        #expect(name(["com.docker.swarm.service.name": "stack_web"]) == "stack_web")
        #expect(name([:]) == "web_1")
        #expect(name(["staithe.service": "no good"]) == "web_1")
    }

    @Test("Labels configure the service as a file would")
    func settings() {
        var labels = onHost
        labels["staithe.balance"] = "p2c"
        labels["staithe.balance.choices"] = "3"
        labels["staithe.health.path"] = "/up"
        labels["staithe.health.up-after"] = "4"
        labels["staithe.drain"] = "35s"
        labels["staithe.slow-start"] = "off"
        labels["staithe.retries.when"] = "connect, 503"
        labels["staithe.host"] = "a.test, *.b.test"
        labels["staithe.path"] = "/api,/v2/*"
        let made = make(container(labels))
        #expect(made.warnings == [])
        #expect(made.service.balance.strategy.rawValue == "p2c")
        #expect(made.service.balance.choices == 3)
        #expect(made.service.balance.slowStart == .zero)
        #expect(made.service.health.path == "/up")
        #expect(made.service.health.upAfter == 4)
        #expect(made.service.timeouts.drain == .seconds(35))
        #expect(made.service.retries.conditions == [.connect, .status503])
        #expect(made.labels.hosts == [.exact("a.test"), .suffix(".b.test")])
        #expect(made.labels.paths == [.prefix("/api"), .prefix("/v2")])
        #expect(
            make(container(onHost.merging(["staithe.scheme": "h2c"]) { $1 })).service.spoken == .h2c
        )
        #expect(
            make(container(onHost.merging(["staithe.scheme": "https"]) { $1 })).service.tls != nil)
    }

    @Test("No label reads a file or a variable of this process")
    func noFiles() {
        for (label, value) in [
            ("staithe.tls.ca", "/etc/passwd"), ("staithe.tls.cert", "/etc/passwd"),
            ("staithe.health.path", "/${file:/etc/passwd}"), ("staithe.version", "${HOME}"),
        ] {
            let made = make(container(onHost.merging([label: value]) { $1 }))
            #expect(made.server != nil)
            #expect(made.warnings.count >= 1, "\(label)")
            #expect(!made.warnings.joined().contains("root:"))
        }
    }

    @Test("A misspelt label is named, with its container and what was meant")
    func suggestions() {
        for (label, wanted) in [
            ("staithe.prot", "did you mean 'staithe.port'?"),
            ("staithe.wieght", "did you mean 'staithe.weight'?"),
            ("staithe.health.intervall", "did you mean 'staithe.health.interval'?"),
            ("staithe.interval", "'interval' belongs under 'health'"),
        ] {
            let made = make(container(onHost.merging([label: "1"]) { $1 }))
            #expect(
                made.warnings == [
                    "container web_1: label '\(label)': there is no such label; \(wanted)"
                ])
            #expect(made.server != nil)
        }
    }

    /// Every label that is known, with a value that is right.
    private static let labels: [(String, String)] = [
        ("enable", "true"), ("service", "shop"), ("port", "8080"), ("scheme", "http"),
        ("network", "net"), ("address", "127.0.0.3"), ("weight", "3"), ("backup", "false"),
        ("version", "v1"), ("docker-health", "use"), ("stop-signal", "SIGQUIT"),
        ("host", "a.test"), ("path", "/a"), ("strip-prefix", "true"), ("drain", "5s"),
        ("route", "a.test/x/*"), ("rule", "Host(`a.test`) && Method(`GET`)"), ("priority", "3"),
        ("listener", "main"),
        ("slow-start", "1s"), ("balance", "random"), ("health.path", "/up"),
        ("health.interval", "3s"), ("outliers.errors", "7"), ("when-all-down", "hold"),
        ("retries.attempts", "1"), ("timeouts.response", "9s"), ("limits.queue", "10"),
        ("connections.idle", "2s"), ("protocol", "http/1.1"), ("tls.server-name", "a.test"),
    ]

    @Test("Every label, changed in every small way, costs itself and never the server or the route")
    func mutations() throws {
        var choice = DockerDiscovery.Choice()
        choice.isCatalogued = true
        let reader = ContainerReader(choice)
        var changeCount = 0
        for (key, value) in Self.labels {
            for (changedKey, changedValue) in Self.mutations(key, value) {
                changeCount += 1
                var labels = [
                    "staithe.enable": "true", "staithe.service": "shop",
                    "staithe.address": "127.0.0.2", "staithe.host": "shop.test",
                ]
                // What keeps a container out, or moves it, is meant to.
                if ["enable", "service", "address"].contains(key), changedKey == key { continue }
                labels["staithe.\(changedKey)"] = changedValue
                let container = container(labels)
                #expect(reader.isWanted(container.facts.labels, by: nil))
                let made = make(container, choice)
                // A port or a scheme that cannot be read is no way to another one.
                let isUnreachable = made.labels.isUnreachable
                #expect(
                    isUnreachable ? ["port", "scheme"].contains(key) : made.server != nil,
                    "\(changedKey)=\(changedValue): \(made.warnings)")
                // Nothing that is there and means nothing opens more than was said.
                #expect(
                    !made.labels.wanted.isEmpty || made.labels.isClosed,
                    "\(changedKey)=\(changedValue)")
                for warning in made.warnings {
                    #expect(warning.hasPrefix("container web_1: "), "\(warning)")
                }
                // A serving route stays.
                var catalogue = ServiceCatalogue()
                let good = make(
                    self.container([
                        "staithe.enable": "true", "staithe.service": "shop",
                        "staithe.address": "127.0.0.9", "staithe.host": "shop.test",
                    ]), choice)
                let listing = { (made: Made, generation: Int) in
                    ServiceCatalogue.Listing(
                        title: "container web_\(generation)", service: "shop",
                        generation: generation,
                        reading: ContainerReader.Reading(labels: made.labels, service: made.service)
                    )
                }
                let now = LoopInstant(nanoseconds: 1)
                catalogue.update([listing(good, 1)], listeners: ["main"], now: now)
                catalogue.update(
                    [listing(good, 1), listing(made, 2)], listeners: ["main"], now: now)
                catalogue.update([listing(made, 2)], listeners: ["main"], now: now)
                #expect(
                    catalogue.routes.contains { $0.host == .exact("shop.test") },
                    "\(changedKey)=\(changedValue)")
            }
        }
        #expect(changeCount > 500)
    }

    /// Letters left out, doubled, swapped, and values that are wrong in their own ways.
    private static func mutations(_ key: String, _ value: String) -> [(String, String)] {
        var result: [(String, String)] = []
        let letters = Array(key)
        for index in letters.indices {
            var changed = letters
            changed.remove(at: index)
            result.append((String(changed), value))
            changed = letters
            changed.insert(letters[index], at: index)
            result.append((String(changed), value))
            if index + 1 < letters.count {
                changed = letters
                changed.swapAt(index, index + 1)
                result.append((String(changed), value))
            }
        }
        result.append((key.uppercased(), value))
        for wrong in [
            "", " ", "-1", "99999999999999999999", "true false", "${HOME}", "a b", "\u{0}", "*",
            "é", String(repeating: "x", count: 70_000),
        ] {
            result.append((key, wrong))
        }
        return result.filter { !$0.0.isEmpty }
    }

    @Test("No label is so long, so deep or so much that it costs more than itself")
    func hostile() {
        let deep = "staithe." + Array(repeating: "a", count: 100_000).joined(separator: ".")
        let made = make(
            container(
                onHost.merging([
                    deep: "1", "staithe.health.\(String(repeating: "b", count: 70_000))": "1",
                    "staithe.weight": String(repeating: "9", count: 70_000),
                ]) { $1 }))
        #expect(made.server != nil)
        #expect(made.warnings.count == 3)
        #expect(made.warnings.allSatisfy { $0.utf8.count < 1000 })
        let many = (0..<200).map { "h\($0).test" }.joined(separator: ",")
        let paths = (0..<200).map { "/p\($0)" }.joined(separator: ",")
        let product = make(
            container(onHost.merging(["staithe.host": many, "staithe.path": paths]) { $1 }))
        #expect(product.labels.wanted.isEmpty)
        #expect(product.labels.isClosed, "what was for few hosts is not for all")
        #expect(
            product.warnings == [
                "container web_1: label 'staithe.host': more than 1024 ways lead here, so it is "
                    + "left out; use wildcards: '*.example.com', '/api'"
            ])
    }

    // MARK: - Which containers

    @Test("A service in a file has the containers with its label")
    func wanted() {
        let reader = ContainerReader(DockerDiscovery.Choice())
        #expect(reader.isWanted(["staithe.service": "app"], by: "app"))
        #expect(!reader.isWanted(["staithe.service": "api"], by: "app"))
        #expect(!reader.isWanted(["staithe.service": "app", "staithe.enable": "false"], by: "app"))
        #expect(!reader.isWanted([:], by: "app"))
        var choice = DockerDiscovery.Choice()
        choice.label = .init(name: "role", value: nil)
        #expect(ContainerReader(choice).isWanted(["role": "x"], by: "app"))
        choice.label = .init(name: "role", value: "web")
        #expect(!ContainerReader(choice).isWanted(["role": "x"], by: "app"))
    }

    @Test("Labels without the one that counts are hinted at")
    func hints() throws {
        let reader = ContainerReader(DockerDiscovery.Choice())
        let hint = reader.hint(about: container(["staithe.port": "80"]).facts)
        #expect(
            hint?.text == "container web_1: has the label 'staithe.port', but not "
                + "'staithe.enable=true', so it is left out; add the label 'staithe.enable=true'")
        #expect(reader.hint(about: container(["staithe.enable": "false"]).facts) == nil)
        #expect(reader.hint(about: container(["other": "x"]).facts) == nil)
    }
}
