/// A protocol that the handshake agrees on (RFC 7301).
public enum ALPNProtocol: UInt8, Sendable, BitwiseCopyable {
    /// The peer did not ask.
    case none
    case http1
    case http2

    /// As it stands on the wire, behind its length.
    var wireForm: [UInt8] {
        switch self {
        case .none: []
        case .http1: [8] + Array("http/1.1".utf8)
        case .http2: [2] + Array("h2".utf8)
        }
    }
}

public enum TLSVersion: UInt8, Sendable, BitwiseCopyable {
    case tls12, tls13

    public var word: StaticString { self == .tls12 ? "TLSv1.2" : "TLSv1.3" }
}

/// A certificate chain and its key, as PEM files.
public struct CertificateFiles: Hashable, Sendable {
    public var certificate: String
    public var key: String

    public init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// What a listener asks of TLS.
public struct ServerTLSSettings: Hashable, Sendable {
    public enum ClientAuthentication: UInt8, Sendable { case off, optional, required }

    /// Whose settings these are: sessions resume at the listener of this name only.
    public var listener = ""
    /// The first is used when no name fits.
    public var certificates: [CertificateFiles]
    public var minimumVersion = TLSVersion.tls12
    /// An OpenSSL list for TLS 1.2; `nil` for our default.
    public var ciphers: String?
    /// The same for TLS 1.3.
    public var cipherSuites: String?
    public var groups: String?
    public var clientAuthentication = ClientAuthentication.off
    public var clientCAFile: String?
    /// Staple `<certificate>.ocsp`, in DER, when it exists.
    public var staplesOCSP = true
    public var usesTickets = true
    /// Refuse names that no certificate covers.
    public var isStrict = false
    /// In the order in which they are preferred.
    public var protocols: [ALPNProtocol] = [.http1]
    /// Refuse a certificate that is no longer valid, instead of serving it all the same.
    public var refusesExpired = false

    public init(certificates: [CertificateFiles]) { self.certificates = certificates }
}

/// What a connection to a server asks of TLS.
public struct ClientTLSSettings: Hashable, Sendable {
    public var verifies = true
    /// Authorities in PEM; `nil` for those of the system.
    public var caFile: String?
    /// SHA-256 of the server's public key, in hexadecimal digits; one of them must fit.
    public var pins: [String] = []
    public var certificate: CertificateFiles?
    public var minimumVersion = TLSVersion.tls12
    public var protocols: [ALPNProtocol] = []

    public init() {}
}

/// Why files or settings cannot be used, for the person who wrote them.
public struct TLSProblem: Error, Equatable, Sendable {
    public enum Kind: Sendable {
        case unreadable, notPEM, keyMismatch, expired, encryptedKey, unknownCipher, unknownGroup
        case badAuthority, unusable
    }

    public var kind: Kind
    public var file: String?
    /// What is wrong, without a full stop.
    public var sentence: String
    /// What to do about it, likewise.
    public var advice: String
}

/// What a person wants to know of a certificate.
public struct CertificateFacts: Equatable, Sendable {
    public var file: String
    public var names: [String]
    /// Seconds since 1970.
    public var notBefore: Int64
    public var notAfter: Int64
    /// SHA-256, in hexadecimal digits.
    public var fingerprint: String
}
