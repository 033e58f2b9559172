import COpenSSL
import Glibc
import Linux

/// A chain and its key, read and found to belong together.
@safe final class Certificate {
    let leaf: OpaquePointer
    let chain: [OpaquePointer]
    let key: OpaquePointer
    let facts: CertificateFacts
    /// A response of the authority's status service, to be stapled.
    let status: [UInt8]
    /// A hash of what the three files held, good in this process.
    let contents: Int

    init(_ files: CertificateFiles, refusesExpired: Bool, staples: Bool) throws(TLSProblem) {
        let text = try Self.read(files.certificate, "certificate")
        var certificates = unsafe Self.certificates(in: text)
        guard unsafe !certificates.isEmpty else {
            throw TLSProblem(
                kind: .notPEM, file: files.certificate,
                sentence: "\(files.certificate) holds no certificate in PEM",
                advice: "give the chain file, which begins with '-----BEGIN CERTIFICATE-----'")
        }
        unsafe leaf = certificates.removeFirst()
        unsafe chain = certificates
        let keyText: [UInt8]
        do throws(TLSProblem) {
            keyText = try Self.read(files.key, "key")
            unsafe key = try Self.key(in: keyText, of: files.key)
        } catch {
            unsafe X509_free(leaf)
            for index in unsafe chain.indices { unsafe X509_free(chain[index]) }
            throw error
        }
        unsafe facts = Self.facts(leaf, file: files.certificate)
        status = staples ? Self.contents(of: files.certificate + ".ocsp") : []
        var hasher = Hasher()
        for bytes in [text, keyText, status] { hasher.combine(bytes) }
        contents = hasher.finalize()
        guard unsafe X509_check_private_key(leaf, key) == 1 else {
            ERR_clear_error()
            throw TLSProblem(
                kind: .keyMismatch, file: files.key,
                sentence: "the key in \(files.key) does not belong to the certificate in "
                    + files.certificate,
                advice: "give the key that the certificate was made for")
        }
        if refusesExpired, facts.notAfter < Clock.wall() / 1_000_000_000 {
            throw TLSProblem(
                kind: .expired, file: files.certificate,
                sentence: "the certificate in \(files.certificate) has expired",
                advice: "renew it")
        }
    }

    deinit {
        unsafe X509_free(leaf)
        for index in unsafe chain.indices { unsafe X509_free(chain[index]) }
        unsafe EVP_PKEY_free(key)
    }

    static func read(_ path: String, _ what: String) throws(TLSProblem) -> [UInt8] {
        do throws(Errno) {
            return try File.read(path)
        } catch {
            throw TLSProblem(
                kind: .unreadable, file: path,
                sentence: "the \(what) \(path) cannot be read: \(error)",
                advice: "check the path and who may read it")
        }
    }

    private static func contents(of path: String) -> [UInt8] {
        do throws(Errno) { return try File.read(path) } catch { return [] }
    }

    private static func certificates(in text: [UInt8]) -> [OpaquePointer] {
        guard let bio = unsafe BIO_new_mem_buf(text, CInt(text.count)) else { return unsafe [] }
        defer { unsafe _ = BIO_free(bio) }
        var certificates = unsafe [OpaquePointer]()
        while let certificate = unsafe PEM_read_bio_X509(bio, nil, nil, nil) {
            unsafe certificates.append(certificate)
        }
        // The end of the file is reported as an error.
        ERR_clear_error()
        return unsafe certificates
    }

    private static func key(
        in text: [UInt8], of path: String
    ) throws(TLSProblem) -> OpaquePointer {
        guard let bio = unsafe BIO_new_mem_buf(text, CInt(text.count)) else {
            preconditionFailure("a buffer of this size was just read")
        }
        defer { unsafe _ = BIO_free(bio) }
        let key = unsafe openssl_read_key(bio)
        ERR_clear_error()
        if let key = unsafe key { return unsafe key }
        let contents = String(decoding: text, as: UTF8.self)
        if contents.contains("ENCRYPTED") {
            throw TLSProblem(
                kind: .encryptedKey, file: path, sentence: "the key in \(path) is encrypted",
                advice: "write it without a passphrase: openssl pkey -in \(path) -out …")
        }
        throw TLSProblem(
            kind: .notPEM, file: path, sentence: "\(path) holds no private key in PEM",
            advice: "give the key file, which begins with '-----BEGIN PRIVATE KEY-----'")
    }

    private static func facts(_ leaf: OpaquePointer, file: String) -> CertificateFacts {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        unsafe X509_digest(leaf, EVP_sha256(), &digest, &count)
        return unsafe CertificateFacts(
            file: file, names: names(of: leaf), notBefore: seconds(X509_get0_notBefore(leaf)),
            notAfter: seconds(X509_get0_notAfter(leaf)),
            fingerprint: Hexadecimal.text(digest[..<Int(count)]))
    }

    /// The DNS names it is for, in lower case; the common name when there are none.
    private static func names(of leaf: OpaquePointer) -> [String] {
        var names: [String] = []
        if let raw = unsafe X509_get_ext_d2i(leaf, NID_subject_alt_name, nil, nil) {
            let list = OpaquePointer(raw)
            defer { unsafe GENERAL_NAMES_free(list) }
            let count = unsafe openssl_name_count(list)
            for index in 0..<count {
                var length: CInt = 0
                guard let bytes = unsafe openssl_dns_name(list, index, &length) else { continue }
                let name = unsafe UnsafeBufferPointer(start: bytes, count: Int(length))
                names.append(unsafe String(decoding: name, as: UTF8.self).lowercased())
            }
        }
        if names.isEmpty {
            var text = [UInt8](repeating: 0, count: 256)
            let count = unsafe text.withUnsafeMutableBytes { room in
                unsafe X509_NAME_get_text_by_NID(
                    X509_get_subject_name(leaf), NID_commonName,
                    room.baseAddress?.assumingMemoryBound(to: CChar.self), 256)
            }
            if count > 0 {
                names.append(String(decoding: text[..<Int(count)], as: UTF8.self).lowercased())
            }
        }
        return names
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        var fields = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(time, &fields) == 1 else { return 0 }
        return Int64(unsafe timegm(&fields))
    }
}

enum Hexadecimal {
    static func text(_ bytes: ArraySlice<UInt8>) -> String {
        var text = ""
        for byte in bytes {
            if byte < 16 { text += "0" }
            text += String(byte, radix: 16)
        }
        return text
    }
}
