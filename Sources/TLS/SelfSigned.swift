import COpenSSL

/// A certificate for trying things out: it vouches for itself, and nobody else does.
@safe public struct SelfSigned: Sendable {
    /// In PEM.
    public let certificate: [UInt8]
    /// In PEM, without a passphrase: for a file that nobody else may read.
    public let key: [UInt8]

    /// Makes a key (P-256) and a certificate for names and addresses.
    ///
    /// - Parameters:
    ///   - names: as `DNS:localhost` and `IP:127.0.0.1`.
    ///   - days: how long it is valid, from now on.
    /// - Returns: `nil` when OpenSSL refuses, for a name that is none.
    public init?(names: [String], days: Int) {
        guard let key = unsafe openssl_make_key(), let certificate = unsafe X509_new() else {
            return nil
        }
        defer {
            unsafe EVP_PKEY_free(key)
            unsafe X509_free(certificate)
            ERR_clear_error()
        }
        // Version 3 is number 2 (RFC 5280 §4.1.2.1); a random serial, for clients that remember.
        unsafe _ = X509_set_version(certificate, 2)
        let serial = Int64.random(in: 1 ... .max)
        unsafe _ = ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), serial)
        unsafe _ = X509_gmtime_adj(X509_getm_notBefore(certificate), 0)
        unsafe _ = X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86_400)
        unsafe _ = X509_set_pubkey(certificate, key)
        let name = unsafe X509_get_subject_name(certificate)
        unsafe _ = X509_NAME_add_entry_by_txt(
            name, "CN", openssl_utf8(), "staithe demo", -1, -1, 0)
        unsafe _ = X509_set_issuer_name(certificate, name)
        for (kind, text) in [
            (NID_subject_alt_name, names.joined(separator: ",")),
            (NID_basic_constraints, "critical,CA:TRUE"),
        ] {
            guard let added = unsafe X509V3_EXT_conf_nid(nil, nil, kind, text) else { return nil }
            unsafe _ = X509_add_ext(certificate, added, -1)
            unsafe X509_EXTENSION_free(added)
        }
        guard unsafe X509_sign(certificate, key, EVP_sha256()) > 0,
            let certificateText = unsafe Self.text({ unsafe PEM_write_bio_X509($0, certificate) }),
            let keyText = unsafe Self.text({
                unsafe PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil)
            })
        else { return nil }
        self.certificate = certificateText
        self.key = keyText
    }

    private static func text(_ write: (OpaquePointer) -> CInt) -> [UInt8]? {
        guard let bio = unsafe BIO_new(BIO_s_mem()) else { return nil }
        defer { unsafe _ = BIO_free(bio) }
        guard unsafe write(bio) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: unsafe BIO_ctrl_pending(bio))
        let count = unsafe BIO_read(bio, &bytes, CInt(bytes.count))
        return count == bytes.count ? bytes : nil
    }
}
