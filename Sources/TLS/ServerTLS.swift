import COpenSSL
import Linux
import Memory

/// A listener's certificates and rules: made once from files, then shared by all loops.
///
/// `@unchecked Sendable`: an `SSL_CTX` is counted atomically and may be used by any number of
/// threads once nobody configures it any more (SSL_CTX_new(3)); it is configured here, before
/// anybody else has it. Everything else is immutable.
@safe public final class ServerTLS: @unchecked Sendable {
    /// One for each set of names: certificates of different kinds for the same names share it.
    private let contexts: [OpaquePointer]
    private let names: [(name: [UInt8], context: Int)]
    private let isStrict: Bool
    private let protocols: [UInt8]
    private let ticketKeys: TicketKeys
    public let certificates: [CertificateFacts]
    /// A hash of all that the files held: equal for two of this process that serve the same.
    public let contents: Int
    /// SHA-256 over what a client had to show to get a session: the listener, whether and by
    /// which authorities clients are verified, and the certificates served. A session resumes
    /// only under the policy that it was made under.
    let policy: [UInt8]
    private let clientAuthentication: ServerTLSSettings.ClientAuthentication
    /// What is stapled to each certificate that has something; the contexts keep them alive.
    private let statuses: [(leaf: OpaquePointer, bytes: [UInt8])]
    private let settings: ServerTLSSettings

    /// Reads the files and checks that each key belongs to its certificate.
    public init(_ settings: ServerTLSSettings, ticketKeys: TicketKeys) throws(TLSProblem) {
        precondition(!settings.certificates.isEmpty, "a listener with TLS has a certificate")
        var groups: [(names: [String], certificates: [Certificate])] = []
        for files in settings.certificates {
            let certificate = try Certificate(
                files, refusesExpired: settings.refusesExpired, staples: settings.staplesOCSP)
            let names = certificate.facts.names
            if let index = groups.firstIndex(where: { Set($0.names) == Set(names) }) {
                groups[index].certificates.append(certificate)
            } else {
                groups.append((names, [certificate]))
            }
        }
        certificates = groups.flatMap { $0.certificates.map(\.facts) }
        var hasher = Hasher()
        for group in groups {
            for certificate in group.certificates { hasher.combine(certificate.contents) }
        }
        self.settings = settings
        clientAuthentication = settings.clientAuthentication
        unsafe statuses = unsafe groups.flatMap(\.certificates).compactMap { certificate in
            unsafe certificate.status.isEmpty ? nil : (certificate.leaf, certificate.status)
        }
        var names: [(name: [UInt8], context: Int)] = []
        for (index, group) in groups.enumerated() {
            // Of two certificates for one name, the one that comes first has it.
            names += group.names.map { (Array($0.utf8), index) }
        }
        self.names = names
        isStrict = settings.isStrict
        protocols = settings.protocols.flatMap(\.wireForm)
        self.ticketKeys = ticketKeys
        var contexts = unsafe [OpaquePointer]()
        var authorities: [UInt8] = []
        do throws(TLSProblem) {
            for group in groups {
                let context = unsafe Self.makeContext()
                unsafe contexts.append(context)
                authorities = unsafe try Self.configure(context, settings)
                for certificate in group.certificates {
                    unsafe try Self.use(certificate, in: context)
                }
            }
        } catch {
            for index in unsafe contexts.indices { unsafe SSL_CTX_free(contexts[index]) }
            unsafe self.contexts = []
            policy = []
            contents = 0
            throw error
        }
        unsafe self.contexts = unsafe contexts
        hasher.combine(authorities)
        contents = hasher.finalize()
        policy = Self.policy(settings, authorities, certificates)
        for index in unsafe contexts.indices {
            unsafe _ = SSL_CTX_set_session_id_context(
                contexts[index], policy, UInt32(policy.count))
            unsafe setCallbacks(contexts[index], settings)
        }
    }

    deinit {
        for index in unsafe contexts.indices { unsafe SSL_CTX_free(contexts[index]) }
    }

    /// Whether connections under `other` could as well be under this: the same settings, and
    /// files with the same contents.
    public func isSame(as other: ServerTLS) -> Bool {
        settings == other.settings && contents == other.contents
    }

    /// The context with which a connection begins; the name it asks for may change it.
    var first: OpaquePointer { unsafe contexts[0] }

    /// Lengths stand before what varies, so that no two policies are the same bytes.
    private static func policy(
        _ settings: ServerTLSSettings, _ authorities: [UInt8], _ certificates: [CertificateFacts]
    ) -> [UInt8] {
        var text = "\(settings.listener.utf8.count):\(settings.listener)"
        text += "\(settings.clientAuthentication.rawValue):\(authorities.count):"
        var bytes = Array(text.utf8) + authorities
        for certificate in certificates { bytes += Array(certificate.fingerprint.utf8) }
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        let status = unsafe EVP_Digest(bytes, bytes.count, &digest, &count, EVP_sha256(), nil)
        precondition(status == 1, "OpenSSL knows SHA-256, or there is no memory")
        return Array(digest.prefix(Int(count)))
    }

    // MARK: - Clients

    /// Whether a connection is refused although its handshake has succeeded; asked after each,
    /// and whatever it resumed.
    func refusal(_ ssl: OpaquePointer) -> TLSFailure? {
        guard clientAuthentication != .off else { return nil }
        guard let peer = unsafe SSL_get0_peer_certificate(ssl) else {
            return clientAuthentication == .required ? .noClientCertificate : nil
        }
        guard unsafe SSL_get_verify_result(ssl) == X509_V_OK else { return .untrusted }
        return unsafe ContextRules.isValidNow(peer) ? nil : .expired
    }

    /// Whether a session that a client brings may be resumed. What it holds was verified when
    /// it was made, but time has passed: else whoever keeps resuming would never expire.
    fileprivate func mayResume(_ session: OpaquePointer?) -> Bool {
        guard clientAuthentication != .off else { return true }
        guard let session = unsafe session, let peer = unsafe SSL_SESSION_get0_peer(session)
        else { return clientAuthentication == .optional }
        return unsafe ContextRules.isValidNow(peer)
    }

    // MARK: - Names

    /// Whether the certificate that `name` selects covers it. In any case; allocates nothing.
    public func covers(_ name: RawSpan) -> Bool { context(for: name) != nil }

    /// The exact name, then the wildcard one label above (RFC 9525 §6.3). O(names).
    private func context(for name: RawSpan) -> Int? {
        for entry in names where Self.isEqual(name, from: 0, entry.name, from: 0) {
            return entry.context
        }
        var dot = 0
        while dot < name.byteCount, name.byte(dot) != UInt8(ascii: ".") { dot += 1 }
        guard dot > 0, dot < name.byteCount else { return nil }
        for entry in names where entry.name.count > 2 && entry.name[0] == UInt8(ascii: "*") {
            if Self.isEqual(name, from: dot, entry.name, from: 1) { return entry.context }
        }
        return nil
    }

    private static func isEqual(
        _ name: RawSpan, from: Int, _ other: [UInt8], from otherStart: Int
    ) -> Bool {
        guard name.byteCount - from == other.count - otherStart else { return false }
        for offset in 0..<(other.count - otherStart) {
            var byte = name.byte(from + offset)
            if byte >= UInt8(ascii: "A"), byte <= UInt8(ascii: "Z") { byte |= 0x20 }
            guard byte == other[otherStart + offset] else { return false }
        }
        return true
    }

    // MARK: - Contexts

    private static func makeContext() -> OpaquePointer {
        guard let context = unsafe SSL_CTX_new(TLS_server_method()) else {
            preconditionFailure("OpenSSL makes a context, or there is no memory")
        }
        return unsafe context
    }

    /// - Returns: the file of the clients' authorities; nothing when clients are not verified.
    private static func configure(
        _ context: OpaquePointer, _ settings: ServerTLSSettings
    ) throws(TLSProblem) -> [UInt8] {
        unsafe try ContextRules.apply(
            to: context, minimumVersion: settings.minimumVersion, ciphers: settings.ciphers,
            cipherSuites: settings.cipherSuites, groups: settings.groups)
        unsafe openssl_set_server_options(context, settings.usesTickets ? 1 : 0)
        // Sessions are with the clients, in tickets: nothing here grows with their number.
        unsafe openssl_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        // One ticket is enough for a client with one connection at a time, and each costs both
        // sides a record and 250 bytes.
        unsafe _ = SSL_CTX_set_num_tickets(context, settings.usesTickets ? 1 : 0)
        guard settings.clientAuthentication != .off else { return [] }
        guard let file = settings.clientCAFile else {
            throw TLSProblem(
                kind: .badAuthority, file: nil, sentence: "there is no authority for clients",
                advice: "give the file of their authority with client_ca")
        }
        let authorities = unsafe try ContextRules.trust(file, in: context, names: true)
        let mode =
            SSL_VERIFY_PEER
            | (settings.clientAuthentication == .required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0)
        unsafe SSL_CTX_set_verify(context, mode, nil)
        return authorities
    }

    private static func use(
        _ certificate: Certificate, in context: OpaquePointer
    ) throws(TLSProblem) {
        let isUsed =
            unsafe SSL_CTX_use_certificate(context, certificate.leaf) == 1
            && SSL_CTX_use_PrivateKey(context, certificate.key) == 1
        guard isUsed else {
            ERR_clear_error()
            throw TLSProblem(
                kind: .unusable, file: certificate.facts.file,
                sentence: "OpenSSL does not use the certificate in \(certificate.facts.file)",
                advice: "its key may be too short: RSA needs 2048 bits")
        }
        for index in unsafe certificate.chain.indices {
            unsafe _ = openssl_add_issuer(context, certificate.chain[index])
        }
    }

    private func setCallbacks(
        _ context: OpaquePointer, _ settings: ServerTLSSettings
    ) {
        // Safe: the contexts are freed in `deinit` at the latest when the last connection is,
        // and each connection keeps this object alive (`TLSConnection.server`).
        let owner = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe _ = SSL_CTX_set_ex_data(context, 0, owner)
        unsafe openssl_set_name_callback(context, chooseCertificate, owner)
        unsafe SSL_CTX_set_alpn_select_cb(context, chooseProtocol, owner)
        if settings.usesTickets {
            unsafe openssl_set_ticket_callback(context, protectTicket)
            if settings.clientAuthentication != .off {
                unsafe _ = SSL_CTX_set_session_ticket_cb(context, nil, judgeSession, owner)
            }
        }
        if unsafe !statuses.isEmpty {
            unsafe openssl_set_status_callback(context, stapleStatus, owner)
        }
    }

    // MARK: - What the callbacks ask

    fileprivate func choose(_ ssl: OpaquePointer) -> CInt {
        guard let text = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
            return isStrict ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK
        }
        let name = unsafe UnsafeRawBufferPointer(start: text, count: strlen(text))
        guard let index = unsafe context(for: name.bytes) else {
            return isStrict ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK
        }
        if index > 0 { unsafe _ = SSL_set_SSL_CTX(ssl, contexts[index]) }
        return SSL_TLSEXT_ERR_OK
    }

    /// Our first protocol that the client offers, too.
    fileprivate func choose(
        _ offered: UnsafeBufferPointer<UInt8>,
        _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>, _ count: UnsafeMutablePointer<UInt8>
    ) -> CInt {
        // Whoever passes bytes on has no word to say about their protocol.
        guard !protocols.isEmpty else { return SSL_TLSEXT_ERR_NOACK }
        var mine = 0
        while mine < protocols.count {
            let length = Int(protocols[mine])
            var theirs = 0
            while theirs < offered.count {
                let offeredLength = unsafe Int(offered[theirs])
                guard theirs + 1 + offeredLength <= offered.count else { break }
                if offeredLength == length,
                    unsafe offered[(theirs + 1)..<(theirs + 1 + length)]
                        .elementsEqual(protocols[(mine + 1)..<(mine + 1 + length)])
                {
                    unsafe chosen.pointee = unsafe offered.baseAddress! + theirs + 1
                    unsafe count.pointee = UInt8(length)
                    return SSL_TLSEXT_ERR_OK
                }
                theirs += 1 + offeredLength
            }
            mine += 1 + length
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }

    /// For the certificate that was chosen: of two for one name, each has a status of its own.
    fileprivate func status(of ssl: OpaquePointer) -> [UInt8] {
        let chosen = unsafe SSL_get_certificate(ssl)
        for index in unsafe statuses.indices where unsafe statuses[index].leaf == chosen {
            return unsafe statuses[index].bytes
        }
        return []
    }

    fileprivate var keys: TicketKeys { ticketKeys }
}

private func server(_ argument: UnsafeMutableRawPointer?) -> ServerTLS {
    // Safe: set in `setCallbacks`, which says why it is alive.
    unsafe Unmanaged<ServerTLS>.fromOpaque(argument!).takeUnretainedValue()
}

private let chooseCertificate:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<CInt>?, UnsafeMutableRawPointer?
    ) -> CInt = { ssl, alert, argument in
        let result = unsafe server(argument).choose(ssl!)
        if result == SSL_TLSEXT_ERR_ALERT_FATAL {
            unsafe alert!.pointee = CInt(SSL_AD_UNRECOGNIZED_NAME)
        }
        return result
    }

private let chooseProtocol: SSL_CTX_alpn_select_cb_func = {
    _, chosen, count, offered, offeredCount, argument in
    let list = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredCount))
    return unsafe server(argument).choose(list, chosen!, count!)
}

private let stapleStatus: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> CInt = {
    ssl, argument in
    let bytes = unsafe server(argument).status(of: ssl!)
    guard !bytes.isEmpty, let copy = unsafe openssl_copy(bytes, bytes.count) else {
        return SSL_TLSEXT_ERR_NOACK
    }
    // OpenSSL frees the copy.
    unsafe _ = openssl_set_status_response(ssl, copy, bytes.count)
    return SSL_TLSEXT_ERR_OK
}

/// Decides on a session whose ticket was decrypted.
private let judgeSession: SSL_CTX_decrypt_session_ticket_fn = {
    _, session, _, _, status, argument in
    guard status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW,
        unsafe server(argument).mayResume(session)
    else { return SSL_TICKET_RETURN_IGNORE_RENEW }
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW
}

/// Fetched once, because OpenSSL looks a cipher up by its name each time it is asked.
///
/// `@unchecked Sendable`: immutable, and counted atomically.
@safe private struct TicketCipher: @unchecked Sendable {
    let pointer: OpaquePointer?

    init() { unsafe pointer = unsafe EVP_CIPHER_fetch(nil, "AES-256-CBC", nil) }
}

private let ticketCipher = TicketCipher()

/// Encrypts a new ticket under the newest key, or finds the key of an old one.
private let protectTicket:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?,
        OpaquePointer?, CInt
    ) -> CInt = { ssl, name, iv, cipher, mac, encrypts in
        let owner = unsafe server(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0))
        let key: TicketKeys.Key
        var isOld = false
        if encrypts != 0 {
            key = owner.keys.newest
            guard unsafe RAND_bytes(iv, 16) == 1 else { return -1 }
            for index in 0..<16 { unsafe name![index] = key.name[index] }
        } else {
            let wanted = unsafe UnsafeBufferPointer(start: name, count: 16)
            guard let found = unsafe owner.keys.key(named: wanted) else { return 0 }
            (key, isOld) = found
        }
        let algorithm = unsafe ticketCipher.pointer
        let status =
            encrypts != 0
            ? unsafe EVP_EncryptInit_ex(cipher, algorithm, nil, key.cipher, iv)
            : unsafe EVP_DecryptInit_ex(cipher, algorithm, nil, key.cipher, iv)
        // With the policy in the key of the digest, a ticket of another policy is none. Both
        // together are as long as one block of SHA-256, so that this costs nothing.
        guard status == 1, unsafe ContextRules.setDigestKey(mac!, key.digest + owner.policy)
        else { return -1 }
        // 2: valid, and to be replaced by a new one. In TLS 1.3 a client uses a ticket once
        // (RFC 8446 C.4): without a new one every second connection would be a full handshake.
        let isSpent = unsafe SSL_version(ssl) == TLS1_3_VERSION
        return isOld || isSpent ? 2 : 1
    }
