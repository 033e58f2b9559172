import COpenSSL

/// The rules for connections to the servers of a service.
///
/// `@unchecked Sendable` for the reason of ``ServerTLS``.
@safe public final class ClientTLS: @unchecked Sendable {
    let context: OpaquePointer
    let verifies: Bool
    private let settings: ClientTLSSettings
    /// A hash of what the files held, good in this process.
    ///
    /// Set once, by `init`.
    private var contents = 0
    /// SHA-256 of public keys.
    private let pins: [String]

    public init(_ settings: ClientTLSSettings) throws(TLSProblem) {
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else {
            preconditionFailure("OpenSSL makes a context, or there is no memory")
        }
        unsafe self.context = unsafe context
        self.settings = settings
        verifies = settings.verifies
        var hasher = Hasher()
        defer { contents = hasher.finalize() }
        pins = settings.pins.map { $0.lowercased() }
        unsafe try ContextRules.apply(
            to: context, minimumVersion: settings.minimumVersion, ciphers: nil,
            cipherSuites: nil, groups: nil)
        unsafe openssl_set_client_options(context)
        unsafe openssl_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        if settings.verifies {
            unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
            if let file = settings.caFile {
                hasher.combine(unsafe try ContextRules.trust(file, in: context))
            } else {
                unsafe _ = SSL_CTX_set_default_verify_paths(context)
            }
        }
        if let files = settings.certificate {
            let certificate = try Certificate(files, refusesExpired: false, staples: false)
            hasher.combine(certificate.contents)
            unsafe _ = SSL_CTX_use_certificate(context, certificate.leaf)
            unsafe _ = SSL_CTX_use_PrivateKey(context, certificate.key)
            for index in unsafe certificate.chain.indices {
                unsafe _ = openssl_add_issuer(context, certificate.chain[index])
            }
        }
        let protocols = settings.protocols.flatMap(\.wireForm)
        if !protocols.isEmpty {
            unsafe _ = SSL_CTX_set_alpn_protos(context, protocols, UInt32(protocols.count))
        }
        ERR_clear_error()
    }

    deinit { unsafe SSL_CTX_free(context) }

    /// Whether connections under `other` could as well be under this: the same settings, and
    /// files with the same contents.
    public func isSame(as other: ClientTLS) -> Bool {
        settings == other.settings && contents == other.contents
    }

    /// Whether `session` may stand for a handshake with the server called `name`. It does only
    /// under the rules and for the name that it was verified by, and while the server's
    /// certificate is valid: what is resumed is not verified again.
    func accepts(_ session: borrowing TLSSession, for name: String) -> Bool {
        guard session.owner === self, session.name == name else { return false }
        guard verifies else { return true }
        guard let peer = unsafe SSL_SESSION_get0_peer(session.session) else { return false }
        return unsafe ContextRules.isValidNow(peer)
    }

    /// Whether the server's public key is one that is pinned, if any is.
    func accepts(_ ssl: OpaquePointer) -> Bool {
        guard !pins.isEmpty else { return true }
        guard let certificate = unsafe SSL_get1_peer_certificate(ssl) else { return false }
        defer { unsafe X509_free(certificate) }
        var encoded: UnsafeMutablePointer<UInt8>?
        let count = unsafe i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded)
        guard count > 0 else { return false }
        defer { unsafe openssl_free(encoded) }
        var digest = [UInt8](repeating: 0, count: 32)
        guard unsafe EVP_Digest(encoded, Int(count), &digest, nil, EVP_sha256(), nil) == 1 else {
            return false
        }
        return pins.contains(Hexadecimal.text(digest[...]))
    }
}

/// What lets a later connection to the same server skip most of the handshake.
@safe public struct TLSSession: ~Copyable {
    let session: OpaquePointer
    /// Under whose rules it was made, and for which name.
    let owner: ClientTLS
    let name: String

    init(_ session: OpaquePointer, owner: ClientTLS, name: String) {
        unsafe self.session = unsafe session
        self.owner = owner
        self.name = name
    }

    deinit { unsafe SSL_SESSION_free(session) }
}
