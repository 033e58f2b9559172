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
        #expect(!other.isMeant, "what it speaks is not spoken here")
        let path = read(
            [:], environment: ["VIRTUAL_HOST": "a.test", "VIRTUAL_PATH": "~^/admin"], .nginxProxy)
        #expect(path.routes == [], "a path that cannot be used is not the whole host")
        let port = read(
            [:], environment: ["VIRTUAL_HOST": "a.test", "VIRTUAL_PORT": "x"], .nginxProxy)
        #expect(port.reading.labels.isUnreachable)
        let unset = read(
            [:], environment: ["VIRTUAL_HOST": "a.test", "VIRTUAL_PATH": "", "VIRTUAL_PORT": ""],
            .nginxProxy)
        #expect(unset.routes == ["a.test>a.test"])
        #expect(!unset.reading.labels.isUnreachable)
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

    @Test("Booleans are read as Go reads them, names of labels in any case")
    func booleans() {
        for name in ["traefik.enable", "Traefik.Enable", "TRAEFIK.ENABLE"] {
            for word in ["false", "False", "FALSE", "f", "F", "0", "", "no", "off", "maybe"] {
                let made = read(
                    [name: word, "traefik.http.routers.r.rule": "Host(`a.test`)"], .traefik)
                #expect(!made.isWanted, "\(name)=\(word)")
                #expect(!made.isMeant, "\(name)=\(word)")
            }
            for word in ["true", "True", "TRUE", "t", "T", "1"] {
                let made = read(
                    [name: word, "Traefik.http.routers.r.rule": "Host(`a.test`)"], .traefik)
                #expect(made.isWanted && made.isMeant, "\(name)=\(word)")
                #expect(made.routes == ["a.test>web"])
            }
        }
        #expect(read(["Traefik.Http.Routers.r.Rule": "Host(`a.test`)"], .traefik).isWanted)
        var facts = ContainerFacts(id: "c1")
        facts.name = "web"
        facts.labels = ["Traefik.Enable": "yes"]
        var choice = DockerDiscovery.Choice()
        choice.isCatalogued = true
        choice.dialects = [.traefik]
        #expect(
            ContainerReader(choice).hint(about: facts)?.text
                == "container web: label 'Traefik.Enable': 'yes' is neither true nor false, so it "
                + "is left out; write 'true'")
    }

    @Test(
        "A container without a router for HTTP that can be used has no route",
        arguments: [
            ["traefik.enable": "true"],
            ["traefik.tcp.routers.db.rule": "HostSNI(`*`)"],
            [
                "traefik.tcp.routers.db.rule": "HostSNI(`*`)",
                "traefik.tcp.services.db.loadbalancer.server.port": "5432",
            ],
            ["traefik.udp.routers.d.entrypoints": "dns"],
            ["traefik.http.services.s.loadbalancer.server.port": "80"],
            ["traefik.http.routers.r.entrypoints": "web"],
            ["traefik.http.routers.r.tls.certresolver": "le"],
            ["traefik.docker.network": "front"],
            [
                "traefik.http.routers.r.rule": "Host(`a.test`)",
                "traefik.http.routers.r.service": "api@internal",
            ],
            [
                "traefik.http.routers.r.rule": "Host(`a.test`)",
                "traefik.http.routers.r.service": "other",
                "traefik.http.services.s.loadbalancer.server.port": "80",
            ],
            [
                "traefik.http.routers.r.rule": "Host(`a.test`)",
                "traefik.http.services.s.loadbalancer.server.port": "80",
                "traefik.http.services.t.loadbalancer.server.port": "81",
            ],
            [
                "traefik.http.routers.r.rule": "Host(`a.test`)",
                "traefik.http.routers.r.priority": "high",
            ],
        ])
    func unrouted(labels: [String: String]) {
        let made = read(labels, .traefik)
        #expect(made.routes == [])
        #expect(
            made.reading.warnings.contains {
                $0.text.contains("no route leads to this container")
                    || $0.text.contains("router 'r'") || $0.text.contains("router is left out")
            }, "\(made.reading.warnings.map(\.text))")
        let said = read(labels.merging(["staithe.host": "b.test"]) { $1 }, .traefik)
        #expect(said.routes.map { $0.prefix(7) } == ["b.test>"], "our own labels win")
        // What only narrows the routes of others opens nothing by itself.
        let narrowed = read(labels.merging(["staithe.listener": "web"]) { $1 }, .traefik)
        #expect(narrowed.routes == [])
    }

    @Test("Of several services the first, by its own port, and only for routers that lead to it")
    func services() {
        let made = read(
            [
                "traefik.http.routers.app.rule": "Host(`a.test`)",
                "traefik.http.routers.app.service": "App@docker",
                "traefik.http.routers.debug.rule": "Host(`debug.test`)",
                "traefik.http.routers.debug.service": "debug",
                "traefik.http.services.app.loadbalancer.server.port": "80",
                "traefik.http.services.debug.loadbalancer.server.port": "5005",
            ], .traefik)
        #expect(made.routes == ["a.test>app"])
        #expect(made.reading.labels.port == 80)
        #expect(made.reading.warnings.count == 2, "\(made.reading.warnings)")
        let own = read(
            [
                "traefik.http.routers.r.rule": "Host(`a.test`)",
                "traefik.http.routers.r.service": "web-shop",
                "com.docker.compose.service": "web", "com.docker.compose.project": "shop",
                "staithe.listener": "web",
            ], .traefik)
        #expect(own.routes == ["a.test>shop-web @web"])
        #expect(own.reading.warnings.isEmpty, "\(own.reading.warnings)")
    }

    @Test("Our own label that says that it is served counts more than Traefik's that it is not")
    func disabledElsewhere() {
        let made = read(["traefik.enable": "false", "staithe.enable": "true"], .traefik)
        #expect(made.isWanted && made.isMeant)
        #expect(made.routes == ["*>web"])
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
        #expect(priority("x") == nil, "Traefik leaves it out")
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
