import Foundation

/// Real members of an etcd, on 127.0.0.1, each with a directory of its own.
public final class EtcdCluster: Sendable {
    public struct Security: Sendable {
        public var certificate: PairOfFiles
        /// Clients must show a certificate of this authority.
        public var authority: String

        public init(certificate: PairOfFiles, authority: String) {
            self.certificate = certificate
            self.authority = authority
        }
    }

    /// `nil` where etcd is not installed.
    public static var program: String? { Machine.program("etcd") }

    public let ports: [UInt16]
    private let peerPorts: [UInt16]
    private let directory = TemporaryDirectory()
    private let security: Security?
    private let processes: Locked<[ChildProcess?]>

    /// Starts so many members, and waits until they have agreed.
    public init(_ count: Int = 1, security: Security? = nil) throws {
        let ports = Machine.freePorts(2 * count)
        self.ports = Array(ports[..<count])
        peerPorts = Array(ports[count...])
        self.security = security
        processes = Locked(Array(repeating: nil, count: count))
        for index in 0..<count { try start(index) }
        guard eventually(timeout: 30, { isHealthy }) else {
            throw ChildProcess.StartFailure(description: "etcd did not begin:\n\(log(of: 0))")
        }
    }

    private var scheme: String { security == nil ? "http" : "https" }
    public var endpoints: [String] { ports.map { "\(scheme)://127.0.0.1:\($0)" } }
    /// For a configuration: `["http://…", "http://…"]`.
    public var list: String { "[" + endpoints.map { "\"\($0)\"" }.joined(separator: ", ") + "]" }

    public func process(_ index: Int) -> ChildProcess? { processes.withLock { $0[index] } }
    public func log(of index: Int) -> String { process(index)?.log ?? "" }

    /// Starts a member, for the first time or again.
    public func start(_ index: Int, isRestored: Bool = false) throws {
        guard let program = Self.program else {
            throw ChildProcess.StartFailure(description: "etcd is missing: make test installs it")
        }
        let cluster = peerPorts.indices.map { "m\($0)=http://127.0.0.1:\(peerPorts[$0])" }
        var arguments = [
            "--name", "m\(index)", "--data-dir", directory.file("data\(index)"),
            "--listen-client-urls", endpoints[index],
            "--advertise-client-urls", endpoints[index],
            "--listen-peer-urls", "http://127.0.0.1:\(peerPorts[index])",
            "--initial-advertise-peer-urls", "http://127.0.0.1:\(peerPorts[index])",
            "--initial-cluster", cluster.joined(separator: ","),
        ]
        if let security {
            arguments += [
                "--cert-file", security.certificate.certificate,
                "--key-file", security.certificate.key,
                "--client-cert-auth", "--trusted-ca-file", security.authority,
            ]
        }
        let process = try ChildProcess(program, arguments)
        processes.withLock { $0[index] = process }
    }

    public func kill(_ index: Int) { process(index)?.killAtOnce() }

    // MARK: - What stands in it

    /// `etcdctl`, against members that run.
    @discardableResult
    public func control(_ arguments: String..., of members: [Int]? = nil) throws -> String {
        let chosen = members ?? ports.indices.filter { process($0)?.isRunning ?? false }
        var words = ["--endpoints", chosen.map { endpoints[$0] }.joined(separator: ",")]
        if let security {
            words += [
                "--cacert", security.authority, "--cert", security.certificate.certificate,
                "--key", security.certificate.key,
            ]
        }
        let result = try run(
            Machine.program("etcdctl") ?? "etcdctl", words + arguments,
            environment: ["ETCDCTL_API": "3"])
        guard result.status == 0 else {
            throw ChildProcess.StartFailure(description: "etcdctl \(arguments): \(result)")
        }
        return result.output
    }

    private var isHealthy: Bool { (try? control("endpoint", "health")) != nil }

    public func put(_ key: String, _ value: String) throws { try control("put", key, value) }
    public func delete(_ key: String) throws { try control("del", key) }

    public func revision() throws -> Int {
        struct Answer: Decodable {
            struct Header: Decodable { var revision: Int }
            var header: Header
        }
        let text = try control("get", "x", "-w", "json")
        return try JSONDecoder().decode(Answer.self, from: Data(text.utf8)).header.revision
    }

    /// The member that leads.
    public func leader() throws -> Int {
        struct Answer: Decodable {
            struct Status: Decodable {
                struct Header: Decodable {
                    var member: UInt64
                    private enum CodingKeys: String, CodingKey { case member = "member_id" }
                }
                var header: Header
                var leader: UInt64
            }
            var endpoint: String
            var status: Status
            private enum CodingKeys: String, CodingKey {
                case endpoint = "Endpoint"
                case status = "Status"
            }
        }
        let text = try control("endpoint", "status", "-w", "json")
        let answers = try JSONDecoder().decode([Answer].self, from: Data(text.utf8))
        for answer in answers where answer.status.header.member == answer.status.leader {
            if let index = endpoints.firstIndex(of: answer.endpoint) { return index }
        }
        throw ChildProcess.StartFailure(description: "nobody leads: \(text)")
    }

    /// Saves what a member has, for ``restore(_:from:)``.
    public func save(to file: String) throws { try control("snapshot", "save", file, of: [0]) }

    /// The only member begins again with what was saved: an older state, with a lower revision.
    public func restore(from file: String) throws {
        kill(0)
        try FileManager.default.removeItem(atPath: directory.file("data0"))
        let result = try run(
            Machine.program("etcdctl") ?? "etcdctl",
            [
                "snapshot", "restore", file, "--name", "m0", "--data-dir", directory.file("data0"),
                "--initial-cluster", "m0=http://127.0.0.1:\(peerPorts[0])",
                "--initial-advertise-peer-urls", "http://127.0.0.1:\(peerPorts[0])",
            ], environment: ["ETCDCTL_API": "3"])
        guard result.status == 0 else {
            throw ChildProcess.StartFailure(description: "restore: \(result)")
        }
        try start(0)
        guard eventually(timeout: 30, { isHealthy }) else {
            throw ChildProcess.StartFailure(description: "etcd did not begin again:\n\(log(of: 0))")
        }
    }
}
