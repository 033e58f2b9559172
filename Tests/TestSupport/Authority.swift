import Foundation
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

    /// A certificate for a client that is valid for some seconds from now on.
    public func certificate(_ name: String, seconds: Int) throws -> PairOfFiles {
        let base = directory.file("brief-\(UInt32.random(in: 0 ... .max))")
        try Self.openssl(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=\(name) "
                + "-keyout \(base).key -out \(base).csr")
        let end = Date(timeIntervalSinceNow: Double(seconds)).formatted(.iso8601)
        let digits = end.filter(\.isNumber) + "Z"
        try Data().write(to: URL(fileURLWithPath: "\(base).database"))
        try Data(
            """
            [ca]
            default_ca = brief
            [brief]
            database = \(base).database
            new_certs_dir = \(directory.path)
            default_md = sha256
            rand_serial = yes
            policy = any
            [any]
            commonName = supplied

            """.utf8
        ).write(to: URL(fileURLWithPath: "\(base).conf"))
        try Self.openssl(
            "ca -batch -notext -config \(base).conf -cert \(file) -keyfile \(file).key "
                + "-enddate \(digits) -in \(base).csr -out \(base).pem")
        return PairOfFiles(certificate: base + ".pem", key: base + ".key")
    }

    /// The serial number of a certificate, in hexadecimal digits.
    public func serial(_ pair: PairOfFiles) throws -> String {
        let words = ["x509", "-in", pair.certificate, "-noout", "-serial"]
        let output = try run("/usr/bin/openssl", words).output
        return String(output.dropFirst("serial=".count).prefix { !$0.isNewline })
    }

    /// Writes the authority's word that a certificate is good, where a proxy looks for it.
    public func staple(_ pair: PairOfFiles) throws {
        let serial = try serial(pair)
        let index = directory.file("index-\(serial)")
        try directory.write(
            "V\t991231235959Z\t\t\(serial)\tunknown\t/CN=a\n", to: "index-\(serial)")
        try Self.openssl(
            "ocsp -issuer \(file) -cert \(pair.certificate) -reqout \(index).request")
        try Self.openssl(
            "ocsp -index \(index) -CA \(file) -rsigner \(file) -rkey \(file).key -ndays 7 "
                + "-reqin \(index).request -respout \(pair.certificate).ocsp")
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
