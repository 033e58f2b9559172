/// What a client and we have agreed on in TLS, for the server behind: the extensions of a PROXY
/// header of version 2.
public struct SecureClient: Equatable, Sendable {
    /// `h2` or `http/1.1`; empty for none.
    public var alpn = ""
    /// The name that the client has asked for; empty for none.
    public var name = ""
    /// As in `TLSv1.3`.
    public var version = ""
    public var cipher = ""
    /// The client has shown a certificate, and it was verified.
    public var isVerified = false
    /// Of that certificate; empty for none.
    public var commonName = ""

    public init() {}

    /// The longest of its texts that is told.
    private static let textByteBound = 255

    /// The extensions in the form of the header: PP2_TYPE_ALPN, _AUTHORITY and _SSL.
    var extensions: [UInt8] {
        var bytes: [UInt8] = []
        if !alpn.isEmpty { bytes += Self.field(0x01, alpn) }
        if !name.isEmpty { bytes += Self.field(0x02, name) }
        // TLS, and a certificate on this connection and in its session.
        var details: [UInt8] = [isVerified ? 0x07 : 0x01]
        // 0 says that a certificate was verified, and says nothing without one.
        details += isVerified ? [0, 0, 0, 0] : [0, 0, 0, 1]
        details += Self.field(0x21, version)
        if !commonName.isEmpty { details += Self.field(0x22, commonName) }
        if !cipher.isEmpty { details += Self.field(0x23, cipher) }
        return bytes + Self.field(0x20, details)
    }

    private static func field(_ type: UInt8, _ text: String) -> [UInt8] {
        field(type, Array(text.utf8.prefix(textByteBound)))
    }

    private static func field(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
        [type, UInt8(truncatingIfNeeded: value.count >> 8), UInt8(truncatingIfNeeded: value.count)]
            + value
    }
}
