import ArgumentParser
import Configuration
import ControlPlane
import Linux
import Timing

/// `staithe announce --etcd … --service S --address A -- CMD`
struct Announce: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put a server into etcd, where every staithe finds it, while it lives.",
        discussion: """
            With a command, starts it and is its companion:

              staithe announce --etcd http://10.0.0.5:2379 --service web --address 3000 \\
                  -- java -jar app.jar

            On SIGTERM the key says first that the server is about to end. --drain later, when \
            no balancer sends anything more, the command is told, and when it has ended the key \
            goes. Other signals are passed on. The exit status is the command's. A server that \
            dies without a word is gone after --ttl seconds.

            The password comes from the variable STAITHE_ETCD_PASSWORD or from a file.
            """)

    @Option(
        help: ArgumentHelp(
            "A member of etcd; once for each.", valueName: "url"))
    var etcd: [String]

    @Option(help: ArgumentHelp("The service that the server belongs to.", valueName: "name"))
    var service: String

    @Option(
        help: ArgumentHelp(
            "Where it listens: host:port, or a port alone for the address from which etcd is "
                + "reached.", valueName: "address"))
    var address: String

    @Option(help: "A name, for logs and hash strategies; without it, the address.")
    var name: String?

    @Option(help: ArgumentHelp("Of the keys. Default: /staithe/services/SERVICE/"))
    var prefix: String?

    @Option(help: "How much it takes, 0 to 1000. Others have 1.")
    var weight: Int?

    @Option(help: "The release that it runs.")
    var version: String?

    @Flag(help: "Only for when the others are gone.")
    var backup = false

    @Option(help: ArgumentHelp("How long it stays when it dies.", valueName: "seconds"))
    var ttl = 10

    @Option(
        help: ArgumentHelp(
            "From saying that it ends until it does. Default: 1s with a command, else 5s.",
            valueName: "duration"))
    var drain: String?

    @Option(help: ArgumentHelp("The user of etcd.", valueName: "name"))
    var user: String?

    @Option(help: ArgumentHelp("A file with the user's password.", valueName: "path"))
    var passwordFile: String?

    @Option(help: ArgumentHelp("The authority of etcd's certificates.", valueName: "path"))
    var ca: String?

    @Option(help: ArgumentHelp("Our certificate, for etcd.", valueName: "path"))
    var cert: String?

    @Option(help: ArgumentHelp("The key of our certificate.", valueName: "path"))
    var key: String?

    @Argument(parsing: .postTerminator, help: "The server's program and its arguments.")
    var command: [String] = []

    func validate() throws { _ = try options() }

    func run() throws { throw ExitCode(Announcer.run(try options())) }

    private func options() throws -> Announcer.Options {
        var options = Announcer.Options()
        options.access = try access()
        options.prefix = prefix ?? EtcdDiscovery.standardPrefix(of: service)
        if !options.prefix.hasSuffix("/") { options.prefix += "/" }
        options.address = try place()
        if let name {
            let isName =
                (1...128).contains(name.utf8.count)
                && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x2F }
            guard isName else {
                throw ValidationError(
                    "'\(name)' cannot name a server: use letters, digits, '-', '.' and '_'")
            }
        }
        options.name = name
        if let weight, !(0...1000).contains(weight) {
            throw ValidationError("weight must be a number from 0 to 1000")
        }
        options.weight = weight
        options.version = version
        options.isBackup = backup
        guard (2...3600).contains(ttl) else {
            throw ValidationError("ttl must be a number of seconds from 2 to 3600")
        }
        options.leaseSeconds = ttl
        options.drain = command.isEmpty ? .seconds(5) : .seconds(1)
        if let drain {
            guard let interval = Interval(words: drain) else {
                throw ValidationError(
                    "'\(drain)' is not a duration; write it with its unit, as 30s")
            }
            options.drain = interval
        }
        options.command = command
        return options
    }

    private func access() throws -> EtcdAccess {
        var access = EtcdAccess()
        for text in etcd.flatMap({ $0.split(separator: ",") }) {
            guard let endpoint = EtcdAccess.endpoint(String(text)) else {
                throw ValidationError(
                    "'\(text)' is not an endpoint of etcd; write http://10.0.0.5:2379")
            }
            access.endpoints.append(endpoint)
        }
        guard !access.endpoints.isEmpty else {
            throw ValidationError("at least one --etcd is needed")
        }
        access.user = user
        if user != nil {
            if let passwordFile {
                guard let bytes = try? File.read(passwordFile) else {
                    throw ValidationError("'\(passwordFile)' cannot be read")
                }
                access.password = String(decoding: bytes, as: UTF8.self)
                    .split(whereSeparator: \.isNewline).first.map(String.init)
            } else {
                access.password = ThisProcess.environment("STAITHE_ETCD_PASSWORD")
            }
            guard access.password != nil else {
                throw ValidationError(
                    "a user needs a password: set STAITHE_ETCD_PASSWORD, or name a file with "
                        + "--password-file")
            }
        }
        access.tls.ca = ca
        switch (cert, key) {
        case (let cert?, let key?):
            access.tls.certificate = .init(certificate: cert, key: key)
        case (nil, nil): break
        default: throw ValidationError("--cert and --key belong together")
        }
        return access
    }

    private func place() throws -> Announcer.Options.Address {
        if let port = UInt16(address), port > 0 { return .own(port: port) }
        let outcome = ProxyConfiguration.shortForm(listen: "1", servers: [address])
        guard let server = outcome.configuration?.services.first?.servers.first?.address,
            !server.isSecure
        else {
            let mistake = outcome.diagnostics.first { $0.severity == .error }
            throw ValidationError(
                mistake?.sentence ?? "'\(address)' is not an address; write 3000 or host:3000")
        }
        return .given(server)
    }
}
