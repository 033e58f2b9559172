import COpenSSL

/// The rules for connections to the servers of a service.
///
/// `@unchecked Sendable` for the reason of ``ServerTLS``.
@safe public final class ClientTLS: @unchecked Sendable {
    let context: OpaquePointer
    let verifies: Bool
    /// SHA-256 of public keys.
    private let pins: [String]

    public init(_ settings: ClientTLSSettings) throws(TLSProblem) {
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else {
            preconditionFailure("OpenSSL makes a context, or there is no memory")
        }
        unsafe self.context = unsafe context
        verifies = settings.verifies
        pins = settings.pins.map { $0.lowercased() }
        unsafe try ContextRules.apply(
            to: context, minimumVersion: settings.minimumVersion, ciphers: nil,
            cipherSuites: nil, groups: nil)
        unsafe openssl_set_client_options(context)
        unsafe openssl_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        if settings.verifies {
            unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
            if let file = settings.caFile {
                unsafe _ = try ContextRules.trust(file, in: context)
            } else {
                unsafe _ = SSL_CTX_set_default_verify_paths(context)
            }
        }
        if let files = settings.certificate {
            let certificate = try Certificate(files, refusesExpired: false, staples: false)
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

    init(_ session: OpaquePointer) { unsafe self.session = unsafe session }
    deinit { unsafe SSL_SESSION_free(session) }
}
