import COpenSSL
import Linux

/// What contexts of both roles have in common.
enum ContextRules {
    /// Forward secrecy and authenticated encryption only.
    private static let defaultCiphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
        + "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
        + "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    /// AES-128 first, as above: its handshake hashes with SHA-256, for which processors have
    /// instructions. A tenth of a full handshake.
    private static let defaultSuites =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    private static let defaultGroups = "X25519:P-256:P-384"

    static func apply(
        to context: OpaquePointer, minimumVersion: TLSVersion, ciphers: String?,
        cipherSuites: String?, groups: String?
    ) throws(TLSProblem) {
        let version = minimumVersion == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION
        unsafe _ = openssl_set_minimum_version(context, version)
        // Buffers of 17 and 16 KiB are held while a record is under way, not while it is quiet.
        unsafe openssl_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS))
        guard unsafe SSL_CTX_set_cipher_list(context, ciphers ?? defaultCiphers) == 1 else {
            ERR_clear_error()
            throw TLSProblem(
                kind: .unknownCipher, file: nil,
                sentence: "OpenSSL knows no cipher in '\(ciphers ?? "")'",
                advice: "'openssl ciphers -tls1_2' lists those it knows; remove the line for the "
                    + "defaults")
        }
        guard unsafe SSL_CTX_set_ciphersuites(context, cipherSuites ?? defaultSuites) == 1 else {
            ERR_clear_error()
            throw TLSProblem(
                kind: .unknownCipher, file: nil,
                sentence: "OpenSSL knows no cipher suite of TLS 1.3 in '\(cipherSuites ?? "")'",
                advice: "'openssl ciphers -s -tls1_3' lists those it knows")
        }
        guard unsafe openssl_set_groups(context, groups ?? defaultGroups) == 1 else {
            ERR_clear_error()
            throw TLSProblem(
                kind: .unknownGroup, file: nil,
                sentence: "OpenSSL does not know all groups of '\(groups ?? "")'",
                advice: "write names with colons between them, like 'X25519:P-256'")
        }
    }

    /// Trusts the authorities of a file for what `context` verifies.
    ///
    /// - Parameter names: also name them to clients as those whose certificates are accepted.
    /// - Returns: what the file held. It is read once, so that what is trusted and what counts
    ///   as its contents are the same.
    static func trust(
        _ file: String, in context: OpaquePointer, names: Bool = false
    ) throws(TLSProblem) -> [UInt8] {
        let text: [UInt8]
        do throws(Errno) { text = try File.read(file) } catch { throw badAuthority(file) }
        guard let bio = unsafe BIO_new_mem_buf(text, CInt(clamping: text.count)),
            let store = unsafe SSL_CTX_get_cert_store(context)
        else { throw badAuthority(file) }
        defer {
            unsafe _ = BIO_free(bio)
            ERR_clear_error()
        }
        ERR_clear_error()
        var count = 0
        while let certificate = unsafe PEM_read_bio_X509_AUX(bio, nil, nil, nil) {
            defer { unsafe X509_free(certificate) }
            guard unsafe X509_STORE_add_cert(store, certificate) == 1,
                unsafe !names || SSL_CTX_add_client_CA(context, certificate) == 1
            else { throw badAuthority(file) }
            count += 1
        }
        // The end of the file is reported as the lack of another certificate.
        let reason = Int32(truncatingIfNeeded: ERR_peek_last_error() & 0x7F_FFFF)
        guard count > 0, reason == PEM_R_NO_START_LINE else { throw badAuthority(file) }
        return text
    }

    static func badAuthority(_ file: String) -> TLSProblem {
        TLSProblem(
            kind: .badAuthority, file: file,
            sentence: "the authorities in \(file) cannot be read",
            advice: "give a readable file with certificates in PEM")
    }

    /// Whether the dates of a certificate allow it at this moment.
    static func isValidNow(_ certificate: OpaquePointer) -> Bool {
        // Negative: in the past; positive: in the future; 0: not readable (X509_cmp_time(3)).
        unsafe X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0
            && X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0
    }

    /// Prepares an HMAC with SHA-256.
    static func setDigestKey(_ mac: OpaquePointer, _ key: [UInt8]) -> Bool {
        unsafe openssl_set_digest_key(mac, key, key.count) == 1
    }
}
