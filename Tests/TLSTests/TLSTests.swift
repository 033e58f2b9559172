import Memory
import TLS
import TestSupport
import Testing

@Suite("TLS")
struct TLSTests {
    let authority: Authority
    let keys = TicketKeys()

    init() throws { authority = try Authority() }

    private func server(
        _ certificates: PairOfFiles...,
        change: (inout ServerTLSSettings) -> Void = { _ in }
    ) throws -> ServerTLS {
        var settings = ServerTLSSettings(
            certificates: certificates.map { CertificateFiles($0) })
        change(&settings)
        return try ServerTLS(settings, ticketKeys: keys)
    }

    private func client(
        change: (inout ClientTLSSettings) -> Void = { _ in }
    ) throws -> ClientTLS {
        var settings = ClientTLSSettings()
        settings.caFile = authority.file
        change(&settings)
        return try ClientTLS(settings)
    }

    private func covers(_ tls: ServerTLS, _ name: String) -> Bool {
        var text = Buffer(capacity: 64)
        text.append(text: name)
        return tls.covers(text.bytes)
    }

    private func numbers(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    @Test(
        "A handshake succeeds and bytes arrive whole, wherever they are cut",
        arguments: [1, 2, 3, 7, 100, 16_389, Int.max])
    func cuts(step: Int) throws {
        let certificate = try authority.certificate(["a.test"])
        var pair = try Pair(server(certificate), client())
        pair.step = step
        let outcome = pair.shake()
        #expect(outcome.client == .done)
        #expect(outcome.server == .done)
        let size = step < 100 ? 3_000 : 200_000
        let up = pair.sendUp(numbers(size))
        #expect(up == numbers(size))
        let down = pair.sendDown(numbers(size))
        #expect(down == numbers(size))
        let isModern = pair.server.version == .tls13
        #expect(isModern)
    }

    @Test("The certificate is chosen by name: exact, a wildcard for one label, else the first")
    func names() throws {
        let first = try authority.certificate(["a.test"])
        let exact = try authority.certificate(["x.b.test"])
        let wild = try authority.certificate(["*.b.test"])
        let tls = try server(first, exact, wild)
        let fingerprints = tls.certificates.map(\.fingerprint)
        #expect(tls.certificates.map(\.names) == [["a.test"], ["x.b.test"], ["*.b.test"]])
        for (name, index) in [("a.test", 0), ("x.b.test", 1), ("Y.b.test", 2)] {
            var pair = try Pair(tls, client(), name: name)
            let outcome = pair.shake()
            #expect(outcome.client == .done, "\(name)")
            let shown = pair.client.peerIdentity()?.fingerprint
            #expect(shown == fingerprints[index], "\(name)")
        }
        for name in ["z.y.b.test", "b.test", "other"] {
            var pair = try Pair(tls, client { $0.verifies = false }, name: name)
            let outcome = pair.shake()
            #expect(outcome.client == .done, "\(name) gets the first")
            #expect(!covers(tls, name))
        }
        #expect(covers(tls, "Q.B.test"))
    }

    @Test("A strict listener refuses names that it has no certificate for")
    func strict() throws {
        let tls = try server(authority.certificate(["a.test"])) { $0.isStrict = true }
        var stranger = try Pair(tls, client(), name: "b.test")
        let outcome = stranger.shake()
        #expect(outcome.server == .failed(.unknownName))
        #expect(outcome.client == .failed(.alert(112)))
        var known = try Pair(tls, client())
        #expect(known.shake().client == .done)
    }

    @Test("Of two kinds of certificates for one name, the client gets the kind it knows")
    func kinds() throws {
        let curve = try authority.certificate(["a.test"])
        let rsa = try authority.certificate(["a.test"], key: "rsa:2048")
        let tls = try server(curve, rsa) { $0.ciphers = "ECDHE-RSA-AES128-GCM-SHA256" }
        var pair = try Pair(tls, client())
        #expect(pair.shake().client == .done)
        #expect(tls.certificates.count == 2)
    }

    @Test("The server's first protocol that the client speaks is chosen; none in common ends it")
    func protocols() throws {
        let certificate = try authority.certificate(["a.test"])
        let tls = try server(certificate) { $0.protocols = [.http2, .http1] }
        for (offered, chosen) in [
            ([ALPNProtocol.http1, .http2], ALPNProtocol.http2), ([.http1], .http1), ([], .none),
        ] {
            var pair = try Pair(tls, client { $0.protocols = offered })
            #expect(pair.shake().server == .done)
            let agreed = (pair.server.alpn, pair.client.alpn)
            #expect(agreed == (chosen, chosen))
        }
        let only = try server(certificate) { $0.protocols = [.http1] }
        var pair = try Pair(only, client { $0.protocols = [.http2] })
        #expect(pair.shake().client == .failed(.alert(120)))
    }

    @Test("A session is resumed, one and two rotations later too, and no longer after three")
    func tickets() throws {
        let tls = try server(authority.certificate(["a.test"]))
        let rules = try client()
        var first = Pair(tls, rules)
        #expect(first.shake().client == .done)
        let isNew = first.server.isResumed
        #expect(!isNew)
        // The ticket comes behind the handshake.
        let read = first.sendDown([1])
        #expect(read == [1])
        let known = first.client.session()
        for rotation in 0...3 {
            var again = Pair(tls, rules, session: known)
            #expect(again.shake().client == .done)
            let isResumed = again.server.isResumed
            #expect(isResumed == (rotation < 3), "after \(rotation) rotations")
            keys.rotate()
        }
    }

    @Test("A resumed connection brings the ticket for the next one")
    func ticketsInTurn() throws {
        let tls = try server(authority.certificate(["a.test"]))
        let rules = try client()
        var known: TLSSession?
        for number in 0..<5 {
            var pair = Pair(tls, rules, session: known)
            #expect(pair.shake().client == .done)
            let isResumed = pair.server.isResumed
            #expect(isResumed == (number > 0), "connection \(number)")
            let read = pair.sendDown([1])
            #expect(read == [1])
            // A client of TLS 1.3 uses a ticket once.
            known = pair.client.session()
        }
    }

    @Test("The end is told from a cut")
    func endings() throws {
        let tls = try server(authority.certificate(["a.test"]))
        var cut = try Pair(tls, client())
        #expect(cut.shake().client == .done)
        let nothing = cut.readAtServer()
        #expect(nothing == .needsMore)
        let end = cut.server.end
        #expect(end == .failed(.truncated))
        cut.closeClient()
        let read = cut.readAtServer()
        #expect(read == .endOfStream)
        let cleanEnd = cut.server.end
        #expect(cleanEnd == .endOfStream)
    }

    @Test("An end that comes with content is told behind it, and known before it is asked for")
    func endBehindContent() throws {
        let tls = try server(authority.certificate(["a.test"]))
        var pair = try Pair(tls, client())
        #expect(pair.shake().client == .done)
        let isOpen = !pair.server.hasEnded
        #expect(isOpen)
        pair.finishClient(saying: numbers(100))
        let content = pair.readAtServer()
        #expect(content == .bytes(100))
        let isKnown = pair.server.hasEnded
        #expect(isKnown)
        let end = pair.readAtServer()
        #expect(end == .endOfStream)
    }

    @Test("Client certificates: required, optional, and from the wrong authority")
    func clientCertificates() throws {
        let certificate = try authority.certificate(["a.test"])
        let mine = try authority.certificate(["somebody"])
        let strangers = try Authority("stranger")
        let stranger = try strangers.certificate(["somebody"])
        let required = try server(certificate) {
            $0.clientAuthentication = .required
            $0.clientCAFile = authority.file
        }
        var none = try Pair(required, client())
        #expect(none.shake().server == .failed(.noClientCertificate))
        var wrong = try Pair(required, client { $0.certificate = CertificateFiles(stranger) })
        #expect(wrong.shake().server == .failed(.untrusted))
        var right = try Pair(required, client { $0.certificate = CertificateFiles(mine) })
        #expect(right.shake().server == .done)
        let subject = right.server.peerIdentity()?.subject
        #expect(subject == "CN=somebody")
        let optional = try server(certificate) {
            $0.clientAuthentication = .optional
            $0.clientCAFile = authority.file
        }
        var without = try Pair(optional, client())
        #expect(without.shake().server == .done)
        let identity = without.server.peerIdentity()?.subject
        #expect(identity == nil)
    }

    @Test("A session resumes only under the policy for clients that it was made under")
    func policies() throws {
        let certificate = try authority.certificate(["a.test"])
        let other = try authority.certificate(["a.test"])
        let mine = try authority.certificate(["somebody"])
        let others = try Authority("others")
        let second = others.file
        /// Whether a session of one set of rules is resumed under another.
        func resumes(
            _ pair: PairOfFiles? = nil, from: (inout ServerTLSSettings) -> Void,
            to: (inout ServerTLSSettings) -> Void
        ) throws -> (isResumed: Bool, step: TLSConnection.Step, subject: String?) {
            let rules = try client { settings in
                settings.certificate = pair.map { CertificateFiles($0) }
            }
            var first = try Pair(server(certificate, change: from), rules)
            #expect(first.shake().server == .done)
            let read = first.sendDown([1])
            #expect(read == [1])
            let session = first.client.session()
            var again = try Pair(server(certificate, change: to), rules, session: session)
            let outcome = again.shake()
            return (again.server.isResumed, outcome.server, again.server.peerIdentity()?.subject)
        }
        func required(_ settings: inout ServerTLSSettings) {
            settings.clientAuthentication = .required
            settings.clientCAFile = authority.file
        }
        func optional(_ settings: inout ServerTLSSettings) {
            settings.clientAuthentication = .optional
            settings.clientCAFile = authority.file
        }
        // The same files, read again, are the same policy.
        for rules in [required, optional] {
            let same = try resumes(mine, from: rules, to: rules)
            #expect(same.isResumed)
            #expect(same.step == .done)
            #expect(same.subject == "CN=somebody")
        }
        let nobody = try resumes(from: optional, to: optional)
        #expect(nobody.isResumed)
        #expect(nobody.subject == nil)
        let open = try resumes(from: { _ in }, to: required)
        #expect(!open.isResumed)
        #expect(open.step == .failed(.noClientCertificate))
        let asked = try resumes(from: optional, to: required)
        #expect(asked.step == .failed(.noClientCertificate))
        let elsewhere = try resumes(mine, from: required) {
            required(&$0)
            $0.listener = "other"
        }
        #expect(!elsewhere.isResumed)
        #expect(elsewhere.step == .done)
        let foreign = try resumes(mine, from: optional) {
            optional(&$0)
            $0.clientCAFile = second
        }
        #expect(!foreign.isResumed)
        #expect(foreign.step == .failed(.untrusted))
        let renewed = try resumes(mine, from: required) {
            required(&$0)
            $0.certificates = [CertificateFiles(other)]
        }
        #expect(!renewed.isResumed)
        #expect(renewed.step == .done)
    }

    @Test("A session is not resumed once the client's certificate in it has expired")
    func expiredSessions() throws {
        let certificate = try authority.certificate(["a.test"])
        let brief = try authority.certificate("somebody", seconds: 3)
        let tls = try server(certificate) {
            $0.clientAuthentication = .optional
            $0.clientCAFile = authority.file
        }
        let rules = try client { $0.certificate = CertificateFiles(brief) }
        var first = Pair(tls, rules)
        #expect(first.shake().server == .done)
        let read = first.sendDown([1])
        #expect(read == [1])
        let known = first.client.session()
        let hasExpired = eventually {
            var again = Pair(tls, rules, session: known)
            let outcome = again.shake().server
            let isResumed = again.server.isResumed
            // It may expire between the look at the session and the look at the connection.
            let isAllowed = outcome == .done && isResumed
            #expect(isAllowed || outcome == .failed(.expired))
            return !isResumed
        }
        #expect(hasExpired)
    }

    @Test("A session with a server counts for the rules and the name that it was made under")
    func sessionsOfRules() throws {
        let tls = try server(authority.certificate(["a.test", "b.test"]))
        let lax = try client { $0.verifies = false }
        let strict = try client()
        let others = try Authority("other")
        let foreign = try client { $0.caFile = others.file }
        var first = Pair(tls, lax)
        #expect(first.shake().client == .done)
        let read = first.sendDown([1])
        #expect(read == [1])
        let known = first.client.session()
        for (rules, name, isResumed, outcome) in [
            (lax, "a.test", true, TLSConnection.Step.done), (lax, "b.test", false, .done),
            (strict, "a.test", false, .done), (foreign, "a.test", false, .failed(.untrusted)),
        ] {
            var again = Pair(tls, rules, name: name, session: known)
            #expect(again.shake().client == outcome)
            let hasResumed = again.client.isResumed
            #expect(hasResumed == isResumed, "\(name)")
        }
        #expect(try client().isSame(as: strict))
        #expect(!lax.isSame(as: strict))
    }

    @Test("A server is verified unless that is off: authority, name, pin")
    func verification() throws {
        let tls = try server(authority.certificate(["a.test", "127.0.0.1"]))
        func outcome(
            _ name: String = "a.test", _ change: (inout ClientTLSSettings) -> Void
        ) throws -> TLSConnection.Step {
            var pair = try Pair(tls, client(change: change), name: name)
            return pair.shake().client
        }
        let others = try Authority("other")
        let other = others.file
        #expect(try outcome { _ in } == .done)
        #expect(try outcome("127.0.0.1") { _ in } == .done)
        #expect(try outcome { $0.caFile = other } == .failed(.untrusted))
        #expect(try outcome { $0.caFile = nil } == .failed(.untrusted))
        #expect(try outcome("b.test") { _ in } == .failed(.wrongName))
        #expect(try outcome("127.0.0.2") { _ in } == .failed(.wrongName))
        #expect(try outcome("b.test") { $0.verifies = false } == .done)
        #expect(
            try outcome { $0.pins = [String(repeating: "0", count: 64)] } == .failed(.wrongPin))
    }

    @Test("Plain HTTP is told from TLS, and garbage does no harm")
    func garbage() throws {
        let tls = try server(authority.certificate(["a.test"]))
        var plain = try Pair(tls, client())
        let outcome = plain.feedServer(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
        #expect(outcome == .failed(.notTLS))
        var state: UInt64 = 1
        for _ in 0..<2_000 {
            var bytes: [UInt8] = [22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]
            for _ in 0..<200 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(UInt8(truncatingIfNeeded: state >> 33))
            }
            bytes[Int(state >> 40) % bytes.count] ^= UInt8(truncatingIfNeeded: state >> 20)
            var pair = try Pair(tls, client())
            let step = pair.feedServer(bytes)
            #expect(step != .done)
        }
        // Nothing of it is taken for another connection's.
        var pair = try Pair(tls, client())
        #expect(pair.shake().client == .done)
    }

    @Test("What is wrong with files and settings is said in a sentence")
    func problems() throws {
        let one = try authority.certificate(["a.test"])
        let two = try authority.certificate(["b.test"])
        let key = authority.directory.file("encrypted")
        try Authority.openssl("pkey -in \(one.key) -aes256 -passout pass:x -out \(key)")
        let old = try authority.expired("a.test")
        func problem(
            _ files: PairOfFiles,
            _ change: @escaping (inout ServerTLSSettings) -> Void = { _ in }
        ) throws -> TLSProblem {
            try #require(throws: TLSProblem.self) {
                var settings = ServerTLSSettings(certificates: [CertificateFiles(files)])
                change(&settings)
                _ = try ServerTLS(settings, ticketKeys: keys)
            }
        }
        var found = try problem(PairOfFiles(certificate: one.certificate, key: two.key))
        #expect(found.kind == .keyMismatch)
        #expect(found.sentence.contains("does not belong to"))
        #expect(found.file == two.key)
        found = try problem(PairOfFiles(certificate: "nowhere.pem", key: one.key))
        #expect(found.kind == .unreadable)
        #expect(found.sentence.contains("No such file"))
        found = try problem(PairOfFiles(certificate: one.key, key: one.key))
        #expect(found.kind == .notPEM)
        found = try problem(PairOfFiles(certificate: one.certificate, key: one.certificate))
        #expect(found.kind == .notPEM)
        found = try problem(PairOfFiles(certificate: one.certificate, key: key))
        #expect(found.kind == .encryptedKey)
        #expect(try problem(old) { $0.refusesExpired = true }.kind == .expired)
        #expect(try problem(one) { $0.ciphers = "NONSENSE" }.kind == .unknownCipher)
        #expect(try problem(one) { $0.cipherSuites = "NONSENSE" }.kind == .unknownCipher)
        #expect(try problem(one) { $0.groups = "NONSENSE" }.kind == .unknownGroup)
        found = try problem(one) {
            $0.clientAuthentication = .required
            $0.clientCAFile = "nowhere.pem"
        }
        #expect(found.kind == .badAuthority)
    }
}

extension CertificateFiles {
    fileprivate init(_ pair: PairOfFiles) {
        self.init(certificate: pair.certificate, key: pair.key)
    }
}
