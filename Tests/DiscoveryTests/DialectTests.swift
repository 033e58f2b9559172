import Balancing
import Configuration
import Discovery
import Testing
import Timing

@Suite("Labels of other proxies")
struct DialectTests {
    private func read(
        _ labels: [String: String], environment: [String: String] = [:], ports: [UInt16] = [8080],
        _ dialects: DockerDiscovery.Choice.Dialect...
    ) -> (reading: ContainerReader.Reading, isMeant: Bool, isWanted: Bool, routes: [String]) {
        var facts = ContainerFacts(id: "c1")
        facts.name = "web"
        facts.labels = labels
        facts.environment = environment
        facts.ports = ports
        var choice = DockerDiscovery.Choice()
        choice.isCatalogued = true
        choice.dialects = dialects
        let reader = ContainerReader(choice)
        let reading = reader.read(facts, over: ServiceConfiguration(name: ""))
        var catalogue = ServiceCatalogue()
        catalogue.update(
            [
                ServiceCatalogue.Listing(
                    title: facts.title,
                    service: ContainerReader.serviceName(facts, reading.labels), generation: 1,
                    reading: reading)
            ], listeners: ["web", "websecure"], now: LoopInstant(nanoseconds: 1))
        return (
            reading, reader.isMeant(reading.labels), reader.isWanted(labels, by: nil),
            catalogue.routes.map { route in
                guard case .service(let name) = route.action else { return "?" }
                var text = "\(route.label)>\(name)"
                if !route.methods.isEmpty { text += " \(route.methods.joined(separator: ","))" }
                for header in route.headers { text += " \(header.name)=\(header.value ?? "*")" }
                for listener in route.listeners { text += " @\(listener)" }
                return text
            }
        )
    }

    // MARK: - nginx-proxy

    @Test("VIRTUAL_HOST and its kin")
    func nginxProxy() {
        let plain = read([:], environment: ["VIRTUAL_HOST": "a.test, *.b.test"], .nginxProxy)
        #expect(plain.isMeant)
        #expect(plain.routes == ["a.test>b.test", "*.b.test>b.test"])
        #expect(plain.reading.warnings.isEmpty)
        let more = read(
            ["com.github.nginx-proxy.nginx-proxy.loadbalance": "least_conn;"],
            environment: [
                "VIRTUAL_HOST": "a.test", "VIRTUAL_PORT": "9000", "VIRTUAL_PATH": "/api/",
                "VIRTUAL_DEST": "/", "VIRTUAL_PROTO": "https",
            ], .nginxProxy)
        #expect(more.reading.labels.port == 9000)
        #expect(more.reading.labels.stripsPrefix)
        #expect(more.reading.service.tls != nil)
        #expect(more.reading.service.balance.strategy.rawValue == "least-requests")
        #expect(more.routes == ["a.test/api/*>a.test-api-"])
        let none = read([:], environment: ["VIRTUAL_HOST": "a.test"], ports: [], .nginxProxy)
        #expect(none.reading.labels.port == 80)
    }

    @Test("What cannot be taken over is said, and what keeps people out is not opened")
    func nginxProxyLimits() {
        let internalOnly = read(
            [:], environment: ["VIRTUAL_HOST": "a.test", "NETWORK_ACCESS": "internal"],
            .nginxProxy)
        #expect(!internalOnly.isMeant)
        #expect(internalOnly.reading.warnings.count == 1)
        let regex = read([:], environment: ["VIRTUAL_HOST": "~^a.*,b.test"], .nginxProxy)
        #expect(regex.routes == ["b.test>b.test"])
        #expect(
            regex.reading.warnings.map(\.text) == [
                "container web: VIRTUAL_HOST '~^a.*' cannot be taken over; write the hosts, or "
                    + "'*.example.com'"
            ])
        let other = read(
            [:], environment: ["VIRTUAL_HOST": "a.test", "VIRTUAL_PROTO": "uwsgi"], .nginxProxy)
        #expect(other.reading.warnings.count == 1)
        #expect(!read([:], environment: ["PATH": "/bin"], .nginxProxy).isMeant)
        #expect(!read([:], environment: ["VIRTUAL_HOST": "a.test"], .traefik).isMeant)
    }

    @Test("A container that was captured in nginx-proxy's way")
    func nginxProxySample() throws {
        let facts = try Samples.inspected(Samples.docker, "inspect-virtual-host-env.json")
        var choice = DockerDiscovery.Choice()
        choice.isCatalogued = true
        choice.dialects = [.nginxProxy]
        let reading = ContainerReader(choice).read(facts, over: ServiceConfiguration(name: ""))
        #expect(reading.labels.isEnabled == true)
        #expect(!reading.labels.hosts.isEmpty)
    }

    // MARK: - Traefik

    @Test("Routers, ports and health checks of Traefik")
    func traefik() {
        let made = read(
            [
                "traefik.enable": "true",
                "traefik.http.routers.shop.rule": "Host(`a.test`) && PathPrefix(`/api`)",
                "Traefik.HTTP.Routers.other.Rule": "Host(`b.test`, `c.test`) || Path(`/x`)",
                "traefik.http.services.shop.loadbalancer.server.port": "9000",
                "traefik.http.services.shop.loadbalancer.healthcheck.path": "/up",
                "traefik.docker.network": "front",
            ], .traefik)
        #expect(made.isWanted && made.isMeant)
        #expect(made.reading.warnings.isEmpty)
        #expect(
            made.routes == ["a.test/api/*>shop", "b.test>shop", "c.test>shop", "/x>shop"])
        #expect(made.reading.labels.port == 9000)
        #expect(made.reading.labels.network == "front")
        #expect(made.reading.service.health.path == "/up")
    }

    @Test(
        "Rules are read as Traefik reads them, or refused with a reason",
        arguments: [
            ("(Host(`a.test`) || Host(`b.test`)) && PathPrefix(`/x/`)", "a.test/x/* b.test/x/*"),
            ("PathPrefix(`/`)", "*"), ("Host(`A.test`)", "a.test"),
            ("Host(\"a.test\")&&Path('/y')", "a.test/y"),
            ("!Host(`a.test`)", "!"), ("HostRegexp(`a`)", "!"), ("Host(`a`) && Host(`b`)", "!"),
            ("Host(`a`", "!"), ("Host()", "!"), ("", "!"), ("Host(`a`) Host(`b`)", "!"),
            ("Host(`a`) &&", "!"), ("Host(`a", "!"), ("$", "!"), ("ClientIP(`10.0.0.0/8`)", "!"),
            ("Host(`a b`)", "!"), ("Path(`x`)", "!"), ("Header(`X`)", "!"),
            ("Header(`X Y`, `v`)", "!"), ("Method(`GET`) && Method(`PUT`)", "!"),
            ("Method(`GETT`)", "!"), ("Query(`a`, `b`)", "!"),
            (String(repeating: "(", count: 5000), "!"),
            (String(repeating: "Host(`a`) || ", count: 80) + "Host(`a`)", "!"),
            (
                "(Path(`/1`)||Path(`/2`))&&(Method(`GET`)||Method(`PUT`))",
                "/1 GET /1 PUT /2 GET /2 PUT"
            ),
            ("Header(`X-A`, `v`) && Headers(`X-B`, `w`)", "* x-a=v x-b=w"),
            ("Method(`GET`, `PUT`) && Method(`PUT`)", "* PUT"),
        ])
    func rules(rule: String, routes: String) {
        let made = read(["traefik.http.routers.r.rule": rule], .traefik)
        if routes == "!" {
            #expect(made.reading.warnings.count == 1, "\(made.reading.warnings)")
            #expect(made.reading.warnings.first?.sentence.contains("router 'r'") ?? false)
            // A rule that lost a condition would let in those whom it keeps out.
            #expect(made.routes == [])
        } else {
            #expect(made.reading.warnings.isEmpty, "\(made.reading.warnings)")
            let patterns = made.routes.map { $0.replacing(">web", with: "") }
                .joined(separator: " ")
            #expect(patterns == routes)
        }
    }

    @Test("Every other label of Traefik's is warned of, by its name")
    func traefikLimits() {
        let made = read(
            [
                "traefik.http.middlewares.m.compress": "true",
                "traefik.http.routers.r.middlewares": "m", "traefik.http.routers.r.tls": "true",
                "traefik.http.routers.r.rule": "Host(`a.test`)",
                "traefik.tcp.routers.r.rule": "x",
                "traefik.http.services.s.loadbalancer.sticky.cookie": "true",
            ], .traefik)
        #expect(made.reading.warnings.count == 4)
        for warning in made.reading.warnings {
            #expect(warning.text.contains("label 'traefik."), "\(warning.text)")
        }
        #expect(made.routes == ["a.test>s"])
        #expect(!read(["traefik.enable": "false"], .traefik).isWanted)
        let own = read(["traefik.enable": "true", "staithe.enable": "false"], .traefik)
        #expect(!own.isWanted, "our own labels win")
    }

    @Test("A router with something that may keep people out is left out, and opens nothing else")
    func guarded() {
        for middleware in ["m", "auth@file", "m, n"] {
            let made = read(
                [
                    "traefik.http.middlewares.m.basicauth.users": "x",
                    "traefik.http.middlewares.n.headers.sslredirect": "true",
                    "traefik.http.routers.r.middlewares": middleware,
                    "traefik.http.routers.r.rule": "Host(`a.test`)",
                ], .traefik)
            #expect(made.routes == [], "\(middleware)")
            #expect(
                made.reading.warnings.contains {
                    $0.text.contains("router 'r' has the middleware")
                        && $0.text.contains("left out")
                }, "\(made.reading.warnings)")
        }
        let said = read(
            [
                "traefik.http.routers.r.middlewares": "auth@file",
                "traefik.http.routers.r.rule": "Host(`a.test`)", "staithe.rule": "Host(`b.test`)",
            ], .traefik)
        #expect(said.routes == ["b.test>web"], "our own labels win")
    }

    @Test("Traefik's priorities, entry points and stripped prefixes")
    func routers() {
        func made(
            _ labels: [String: String]
        ) -> (routes: [String], reading: ContainerReader.Reading) {
            let made = read(labels, .traefik)
            return (made.routes, made.reading)
        }
        let strip = made([
            "traefik.http.routers.r.rule": "Host(`a.test`) && PathPrefix(`/api`)",
            "traefik.http.routers.r.middlewares": "s",
            "traefik.http.middlewares.s.stripprefix.prefixes": "/api/",
            "traefik.http.routers.r.entrypoints": "websecure",
        ])
        #expect(strip.routes == ["a.test/api/*>web @websecure"])
        #expect(strip.reading.labels.stripsPrefix)
        #expect(strip.reading.warnings.isEmpty, "\(strip.reading.warnings)")
        let other = made([
            "traefik.http.routers.r.rule": "PathPrefix(`/v2`)",
            "traefik.http.routers.r.middlewares": "s",
            "traefik.http.middlewares.s.stripprefix.prefixes": "/api",
        ])
        #expect(!other.reading.labels.stripsPrefix)
        #expect(other.reading.warnings.count == 1)
        // A priority below the length of the rule is less than that of rules without one.
        func priority(_ text: String) -> Int? {
            made([
                "traefik.http.routers.r.rule": "PathPrefix(`/`)",
                "traefik.http.routers.r.priority": text,
            ]).reading.labels.wanted.first?.priority
        }
        #expect(priority("0") == 0)
        #expect(priority("1")! < 0)
        #expect(priority("2")! > priority("1")!)
        #expect(priority("100") == 100)
        #expect(priority("-9223372036854775808")! < 0)
        #expect(priority("x") == 0)
        let nowhere = made([
            "traefik.http.routers.r.rule": "Host(`a.test`)",
            "traefik.http.routers.r.entrypoints": "internal",
        ])
        #expect(nowhere.routes == [])
    }

    @Test("A container that was captured in Traefik's way")
    func traefikSample() throws {
        let facts = try Samples.inspected(Samples.docker, "inspect-traefik-labels.json")
        var choice = DockerDiscovery.Choice()
        choice.isCatalogued = true
        choice.dialects = [.traefik]
        let reading = ContainerReader(choice).read(facts, over: ServiceConfiguration(name: ""))
        #expect(reading.labels.isEnabled == true)
        #expect(!reading.labels.patterns.isEmpty)
        #expect(reading.labels.port != nil)
    }
}
