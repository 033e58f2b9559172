import COpenSSL

/// Why a handshake or a connection ended, as far as OpenSSL tells.
public enum TLSFailure: Error, Equatable, Sendable, BitwiseCopyable {
    case protocolError
    /// The peer speaks something else: plain HTTP, usually.
    case notTLS
    case unsupportedVersion
    case noSharedCipher
    /// Its certificate does not lead to an authority that we know.
    case untrusted
    case wrongName
    case expired
    case wrongPin
    case noClientCertificate
    /// It asked for a name that no certificate covers.
    case unknownName
    /// The connection ended without close_notify: something may be missing.
    case truncated
    /// The peer gave up, with this alert (RFC 8446 §6).
    case alert(UInt8)

    public var sentence: StaticString {
        switch self {
        case .protocolError: "it broke the rules of TLS"
        case .notTLS: "it does not speak TLS"
        case .unsupportedVersion: "it speaks no version of TLS that is allowed"
        case .noSharedCipher: "there is no cipher that both sides allow"
        case .untrusted: "its certificate is from an unknown authority"
        case .wrongName: "its certificate is for another name"
        case .expired: "its certificate has expired"
        case .wrongPin: "its public key is none of those that are pinned"
        case .noClientCertificate: "it has shown no certificate"
        case .unknownName: "no certificate covers the name that it asked for"
        case .truncated: "it closed the connection without saying so"
        case .alert: "it gave up the connection"
        }
    }

    /// Takes everything out of the error queue of this thread, so that nothing of it is ever
    /// taken for another connection's.
    static func take(_ ssl: OpaquePointer) -> TLSFailure {
        let code = ERR_get_error()
        while ERR_get_error() != 0 {}
        let reason = Int32(truncatingIfNeeded: code & 0x7F_FFFF)
        switch reason {
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_WRONG_VERSION_NUMBER:
            return .notTLS
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW: return .unsupportedVersion
        case SSL_R_NO_SHARED_CIPHER: return .noSharedCipher
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .noClientCertificate
        case SSL_R_CLIENTHELLO_TLSEXT, SSL_R_CALLBACK_FAILED: return .unknownName
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            switch unsafe Int32(truncatingIfNeeded: SSL_get_verify_result(ssl)) {
            case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: return .wrongName
            case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID: return .expired
            default: return .untrusted
            }
        case 1001...1255: return .alert(UInt8(reason - 1000))
        default: return .protocolError
        }
    }
}
