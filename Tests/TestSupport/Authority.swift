import Testing

/// Certificates, made on the spot by the openssl command.
public final class Authority: Sendable {
    public let directory = TemporaryDirectory()
    public let file: String

    public init(_ name: String = "authority") throws {
        file = directory.file("\(name).pem")
        try Self.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 "
                + "-subj /CN=\(name) -keyout \(file).key -out \(file)")
    }

    public static func openssl(_ arguments: String) throws {
        let child = try ChildProcess(
            "/usr/bin/openssl", arguments.split(separator: " ").map(String.init))
        let ending = try #require(child.waitForEnd(seconds: 60))
        #expect(ending == .exited(0), "openssl \(arguments)\n\(child.errors)")
    }

    /// A certificate for names, with its key.
    public func certificate(
        _ names: [String], key: String = "ec -pkeyopt ec_paramgen_curve:P-256"
    ) throws -> PairOfFiles {
        let base = directory.file("leaf-\(UInt32.random(in: 0 ... .max))")
        let list = names.map { name in
            let isAddress = name.allSatisfy { $0.isNumber || $0 == "." || $0 == ":" }
            return (isAddress ? "IP:" : "DNS:") + name
        }
        try Self.openssl(
            "req -x509 -newkey \(key) -nodes -days 30 -subj /CN=\(names[0]) "
                + "-addext subjectAltName=\(list.joined(separator: ",")) "
                + "-addext basicConstraints=critical,CA:FALSE "
                + "-CA \(file) -CAkey \(file).key -keyout \(base).key -out \(base).pem")
        return PairOfFiles(certificate: base + ".pem", key: base + ".key")
    }

    /// A certificate that was valid until yesterday.
    public func expired(_ name: String) throws -> PairOfFiles {
        let base = directory.file("expired")
        try Self.openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=\(name) "
                + "-keyout \(base).key -out \(base).csr")
        try Self.openssl(
            "x509 -req -days -1 -in \(base).csr -CA \(file) -CAkey \(file).key "
                + "-CAcreateserial -out \(base).pem")
        return PairOfFiles(certificate: base + ".pem", key: base + ".key")
    }
}

/// A certificate and its key, as paths.
public struct PairOfFiles: Sendable {
    public var certificate: String
    public var key: String

    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }

    /// As an entry of `certificates`.
    public var entry: String { "{ cert: \(certificate), key: \(key) }" }
}
