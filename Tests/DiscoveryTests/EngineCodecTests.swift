import Discovery
import Testing

@Suite("What engines say")
struct EngineCodecTests {
    // MARK: - Responses

    private struct Heard: Equatable {
        var head: EngineResponse.Head?
        var content: [UInt8] = []
        var isWhole = false
    }

    private func hear(_ pieces: [[UInt8]], ends: Bool = true) throws -> Heard {
        var response = EngineResponse(contentBound: nil)
        var heard = Heard()
        func take(_ pieces: [EngineResponse.Piece]) {
            for piece in pieces {
                switch piece {
                case .head(let head): heard.head = head
                case .content(let bytes): heard.content += bytes
                case .end: heard.isWhole = true
                }
            }
        }
        for piece in pieces { take(try response.receive(piece)) }
        if ends, !heard.isWhole { take(try response.connectionEnded()) }
        return heard
    }

    private static let raw = [
        "raw-ping.http", "raw-version.http", "raw-list.http", "raw-inspect.http",
        "raw-error-400-version-too-new.http", "raw-error-404.http", "raw-events-stream.http",
    ]

    @Test("Answers are the same wherever they are cut", arguments: raw)
    func cut(name: String) throws {
        let bytes = try Samples.bytes(Samples.docker, name)
        // The stream was captured until somebody hung up.
        let isStream = name.contains("events")
        let whole = try hear([bytes], ends: !isStream)
        #expect(whole.head?.apiVersion == "1.41")
        #expect(whole.head?.server == "Docker/20.10.24+dfsg1 (linux)")
        #expect(whole.isWhole == !isStream)
        // Byte by byte below; in two pieces, long ones are cut at some bytes only.
        for position in stride(from: 1, to: bytes.count, by: bytes.count > 6000 ? 251 : 1) {
            let cut = try hear(
                [Array(bytes[..<position]), Array(bytes[position...])], ends: !isStream)
            guard cut == whole else {
                Issue.record("\(name) is another one when cut at \(position)")
                return
            }
        }
        let single = try hear(bytes.map { [$0] }, ends: !isStream)
        #expect(single == whole)
    }

    @Test(
        "Podman's answers, too",
        arguments: ["raw-ping.http", "raw-list.http", "raw-error-404.http"])
    func podman(name: String) throws {
        let bytes = try Samples.bytes(Samples.podman, name)
        let whole = try hear([bytes])
        #expect(whole.head?.server == "Libpod/4.3.1 (linux)")
        #expect(try hear(bytes.map { [$0] }) == whole)
    }

    @Test("An answer that ends in the middle is cut, one that is too large is refused")
    func broken() throws {
        let bytes = try Samples.bytes(Samples.docker, "raw-inspect.http")
        var response = EngineResponse(contentBound: nil)
        _ = try response.receive(Array(bytes.dropLast()))
        #expect(throws: EngineResponse.Mistake.cut) { _ = try response.connectionEnded() }
        var small = EngineResponse(contentBound: 1000)
        #expect(throws: EngineResponse.Mistake.tooLarge) { _ = try small.receive(bytes) }
        var nonsense = EngineResponse(contentBound: nil)
        #expect(throws: EngineResponse.Mistake.malformed) {
            _ = try nonsense.receive(Array("SSH-2.0-OpenSSH\r\n\r\n".utf8))
        }
        var endless = EngineResponse(contentBound: nil)
        #expect(throws: (any Error).self) {
            for _ in 0..<200 { _ = try endless.receive([UInt8](repeating: 0x41, count: 1024)) }
        }
    }

    @Test("An error says what the engine says")
    func errors() throws {
        let bytes = try Samples.bytes(Samples.docker, "raw-error-400-version-too-new.http")
        let heard = try hear([bytes])
        #expect(heard.head?.status == 400)
        #expect(
            EngineProtocol.message(heard.content)
                == "client version 1.44 is too new. Maximum supported API version is 1.41")
        #expect(EngineProtocol.message(Array("not json".utf8)) == nil)
    }

    // MARK: - Lines

    @Test("Lines are the same wherever the stream is cut, and bounded")
    func lines() throws {
        let bytes = try Samples.bytes(Samples.docker, "events-healthy-arrives-during-drain.ndjson")
        var whole = LineSplitter()
        let expected = try whole.receive(bytes)
        #expect(expected.count == 6)
        for position in 1..<bytes.count {
            var splitter = LineSplitter()
            let lines =
                try splitter.receive(Array(bytes[..<position]))
                + splitter.receive(Array(bytes[position...]))
            guard lines == expected else {
                Issue.record("cut at \(position)")
                return
            }
        }
        var endless = LineSplitter()
        #expect(throws: LineSplitter.TooLong.self) {
            for _ in 0..<1100 { _ = try endless.receive([UInt8](repeating: 0x41, count: 1024)) }
        }
    }

    @Test("The stream of events, chunks and lines and all, byte by byte")
    func stream() throws {
        let bytes = try Samples.bytes(Samples.docker, "raw-events-stream.http")
        var response = EngineResponse(contentBound: nil)
        var splitter = LineSplitter()
        var events: [EngineEvent] = []
        for byte in bytes {
            for piece in try response.receive([byte]) {
                guard case .content(let content) = piece else { continue }
                for line in try splitter.receive(content) {
                    if let event = try EngineEvent.read(line) { events.append(event) }
                }
            }
        }
        let plain = try Samples.lines(Samples.bytes(Samples.docker, "events-lifecycle.ndjson"))
            .compactMap { try EngineEvent.read($0) }
        #expect(events.count > 30)
        // The two were captured in one story, one after the other.
        #expect(events.prefix(8).map(\.action) == plain.prefix(8).map(\.action))
    }

    // MARK: - Events

    @Test("Events say what happened to which container")
    func events() throws {
        let events = try Samples.events(
            Samples.docker, "events-nonfatal-signal-then-ignored-sigterm.ndjson")
        #expect(
            events.map(\.action) == [
                .start, .kill(signal: 28), .kill(signal: 15), .kill(signal: 9), .die,
                .other("stop"), .destroy,
            ])
        #expect(events[0].name == "sighup-and-ignore")
        #expect(events[0].time == 1_795_457_907_405_698_989)
        let podman = try Samples.events(Samples.podman, "events-lifecycle.ndjson")
        #expect(
            podman.map(\.action) == [
                .start, .health(nil), .die, .start, .kill(signal: nil), .kill(signal: nil), .die,
                .destroy,
            ])
    }

    @Test("Without the old fields, events are the same")
    func newEvents() throws {
        let old = try Samples.events(Samples.docker, "events-lifecycle.ndjson")
        let new = try Samples.events(Samples.synthetic, "events-1.52-without-legacy-fields.ndjson")
        #expect(new == old)
    }

    @Test("Networks speak of their containers; what concerns none is nothing")
    func networks() throws {
        let connect = """
            {"Type":"network","Action":"connect","Actor":{"ID":"n1","Attributes":{"container":"c1",\
            "name":"edge"}}}
            """
        #expect(try EngineEvent.read(Array(connect.utf8)) == EngineEvent(.network, id: "c1"))
        for text in [
            #"{"Type":"image","Action":"pull","Actor":{"ID":"i"}}"#,
            #"{"Type":"network","Action":"create","Actor":{"ID":"n1","Attributes":{}}}"#, "{}",
        ] {
            #expect(try EngineEvent.read(Array(text.utf8)) == nil)
        }
        #expect(throws: JSONReader.Mistake.self) { try EngineEvent.read(Array("{\"Type\"".utf8)) }
    }

    // MARK: - Containers

    @Test("Lists tell name, labels, state, health, networks and ports")
    func lists() throws {
        func health(_ name: String, of container: String) throws -> ContainerFacts? {
            try Samples.list(Samples.docker, name).first { $0.name == container }
        }
        #expect(try health("list-starting.json", of: "shop-web-1")?.health == .starting)
        #expect(try health("list-healthy.json", of: "shop-web-1")?.health == .healthy)
        #expect(try health("list-unhealthy.json", of: "shop-web-1")?.health == .unhealthy)
        #expect(try health("list-healthy.json", of: "shop-nohc")?.health == nil)
        #expect(try health("list-paused.json", of: "shop-web-2")?.status == .paused)
        #expect(try health("list-healthy.json", of: "shop-web-1")?.networkMode == "host")
        let restarting = try Samples.list(Samples.docker, "list-restarting.json")
        #expect(restarting.contains { $0.status == .other("restarting") })
        let bridge = try Samples.list(Samples.synthetic, "bridge-list-1.41.json")[0]
        #expect(bridge.ports == [8080])
        #expect(bridge.networks["shop_default"] == .init(ipv4: "127.0.5.2"))
        #expect(bridge.labels["staithe.service"] == "shop")
        let new = try Samples.list(Samples.synthetic, "list-1.52-with-health.json")
        #expect(new[0].health == .healthy)
        let podman = try Samples.list(Samples.podman, "list-healthy.json")[0]
        #expect(podman.name == "shop-web-1")
        #expect(podman.networks.isEmpty)
        #expect(podman.networkMode == nil)
    }

    @Test("The answer about one tells the rest")
    func inspections() throws {
        let healthy = try Samples.inspected(Samples.docker, "inspect-healthy.json")
        #expect(healthy.status == .running)
        #expect(healthy.health == .healthy)
        #expect(healthy.ports == [8080])
        #expect(healthy.networkMode == "host")
        #expect(healthy.startedAt == 1_795_457_838_988_068_379)
        #expect(healthy.environment.isEmpty, "secrets are not kept")
        #expect(healthy.isComplete)
        let restarting = try Samples.inspected(Samples.docker, "inspect-restarting.json")
        #expect(restarting.status == .other("restarting"), "although it is called running")
        #expect(try Samples.inspected(Samples.docker, "inspect-paused.json").status == .paused)
        #expect(
            try Samples.inspected(Samples.docker, "inspect-exited.json").status == .other("exited"))
        #expect(try Samples.inspected(Samples.docker, "inspect-no-healthcheck.json").health == nil)
        let nginx = try Samples.inspected(Samples.docker, "inspect-virtual-host-env.json")
        #expect(nginx.environment["VIRTUAL_HOST"] != nil)
        let podman = try Samples.inspected(Samples.podman, "inspect-running.json")
        #expect(podman.stopSignal == 15)
        #expect(podman.ports.isEmpty)
        #expect(podman.health == .starting)
        let bridge = try Samples.inspected(Samples.synthetic, "bridge-inspect-1.41.json")
        #expect(bridge.networks.values.contains { $0.ipv4 != nil })
    }

    @Test("Every sample is read, and every beginning of one is refused")
    func everySample() throws {
        for engine in [Samples.docker, Samples.podman, Samples.synthetic] {
            for name in try Samples.names(engine) where name.hasSuffix(".json") {
                let bytes = try Samples.bytes(engine, name)
                if name.contains("list") {
                    #expect(try !ContainerFacts.list(bytes).isEmpty, "\(name)")
                    // The end of the text may be white space.
                    for count in stride(from: 1, to: bytes.count - 4, by: 97) {
                        #expect(throws: JSONReader.Mistake.cut) {
                            try ContainerFacts.list(Array(bytes[..<count]))
                        }
                    }
                } else if name.contains("inspect") {
                    #expect(try ContainerFacts.inspected(bytes) != nil, "\(name)")
                }
            }
        }
    }

    // MARK: - Words

    @Test("Signals have numbers and names")
    func signals() {
        for (text, number) in [
            ("15", 15), ("SIGTERM", 15), ("term", 15), ("SIGQUIT", 3), ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63), ("SIGWINCH", 28), ("RTMIN", 34),
        ] {
            #expect(SignalName.number(text) == number, "\(text)")
        }
        for text in ["", "0", "65", "SIGFOO", "RTMIN+99", "-1"] {
            #expect(SignalName.number(text) == nil, "\(text)")
        }
    }

    @Test("Times before 1970, and those that are none, are never below 0")
    func earlyTimes() throws {
        #expect(EngineTime.nanoseconds("1970-01-01T00:00:00+23:59") == 0)
        for text in [
            "2261-12-99T23:59:59Z", "2261-12-31T99:59:59Z", "2261-12-31T23:99:59Z",
            "2261-12-31T23:59:99Z", "2261-12-31T23:59:59-99:99",
        ] {
            #expect(EngineTime.nanoseconds(text) == nil, "\(text)")
        }
        let line =
            #"{"Type":"container","Action":"start","Actor":{"ID":"a"},"timeNano":\#(Int.min)}"#
        #expect(try EngineEvent.read(Array(line.utf8))?.time == 0)
    }

    @Test("Times are read to the nanosecond, and never is no time")
    func times() {
        #expect(EngineTime.nanoseconds("1970-01-01T00:00:00Z") == 0)
        #expect(
            EngineTime.nanoseconds("2026-11-23T18:17:18.988068379Z") == 1_795_457_838_988_068_379)
        #expect(EngineTime.nanoseconds("2026-11-23T19:17:18.5+01:00") == 1_795_457_838_500_000_000)
        #expect(EngineTime.nanoseconds("2024-02-29T00:00:00Z") == 1_709_164_800_000_000_000)
        for text in [
            "0001-01-01T00:00:00Z", "", "2026", "2026-13-01T00:00:00Z", "2026-11-23 18:17:18Z",
        ] {
            #expect(EngineTime.nanoseconds(text) == nil, "\(text)")
        }
    }

    @Test("The version is one that both speak, and what is too old or too new is said")
    func versions() throws {
        typealias Version = EngineProtocol.Version
        let docker = try EngineProtocol.versions(Samples.bytes(Samples.docker, "version.json"))
        #expect(docker.version == Version(1, 41))
        #expect(docker.minimum == Version(1, 12))
        let podman = try EngineProtocol.versions(Samples.bytes(Samples.podman, "version.json"))
        #expect(podman.version == Version(1, 41), "not the one of its parts")
        func spoken(_ version: Version, _ minimum: Version?) -> String {
            switch EngineProtocol.negotiate(version: version, minimum: minimum) {
            case .success(let version): "\(version)"
            case .failure(let refusal): refusal.sentence
            }
        }
        #expect(spoken(Version(1, 41), Version(1, 12)) == "1.41")
        #expect(spoken(Version(1, 60), Version(1, 44)) == "\(EngineProtocol.newest)")
        #expect(spoken(Version(1, 9), nil).contains("too old"))
        #expect(spoken(Version(1, 99), Version(1, 90)).contains("too new"))
        for text in ["", "1", "1.x", "1.2.3", "-1.2"] { #expect(Version(text) == nil) }
    }

    @Test("What is asked only reads, and an identifier cannot lead elsewhere")
    func requests() {
        let version = EngineProtocol.Version(1, 41)
        #expect(
            EngineProtocol.inspect(version, id: "ab/../x?y")
                == "/v1.41/containers/abxy/json")
        #expect(
            EngineProtocol.list(version)
                == "/v1.41/containers/json?filters=%7B%22status%22%3A%5B%22running%22%2C"
                + "%22paused%22%5D%7D")
        #expect(EngineProtocol.events(version).contains("%22died%22"))
        let request = String(
            decoding: EngineProtocol.request("/_ping", host: "docker"), as: UTF8.self)
        #expect(request.hasPrefix("GET /_ping HTTP/1.1\r\nHost: docker\r\n"))
    }
}
