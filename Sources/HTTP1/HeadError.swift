/// Why a head is refused. Nothing is repaired: a message that two recipients could read in two
/// ways is request smuggling (RFC 9112 §11.2).
public enum HeadError: UInt8, Error, Sendable, BitwiseCopyable, CaseIterable {
    // MARK: Start line

    /// RFC 9112 §2.2 lets a server skip an empty line before a request; one is skipped.
    case repeatedEmptyLine
    /// A TLS handshake on a port without TLS.
    case tlsHandshake
    /// RFC 9110 §9.1
    case invalidMethod
    /// RFC 9110 §9.3.6: CONNECT is for proxies that a client chose.
    case connectMethod
    /// RFC 9112 §3.2: whitespace, a control, a byte above 0x7E, or no known form.
    case invalidTarget
    /// RFC 9110 §7.1: the fragment is not sent.
    case fragmentInTarget
    /// RFC 9112 §3.2.4
    case asteriskWithoutOptions
    /// RFC 9112 §3.2.2: absolute form with a scheme other than http and https.
    case unsupportedScheme
    /// RFC 9110 §4.2.1 and §4.2.4: empty, malformed, or with user information.
    case invalidTargetAuthority
    /// RFC 9112 §2.3
    case invalidVersion
    /// RFC 9110 §15.6.6
    case unsupportedVersion
    /// RFC 9110 §15.5.15
    case requestLineTooLong
    /// RFC 9112 §4: no three digits from 100 to 599.
    case invalidStatus
    /// RFC 9112 §4
    case invalidReason

    // MARK: Field lines

    /// RFC 9112 §2.2 lets a recipient take it for a line's end; others do not.
    case bareLineFeed
    /// RFC 9112 §2.2
    case bareCarriageReturn
    /// RFC 9112 §2.2
    case whitespaceBeforeFields
    /// RFC 9112 §5.2
    case foldedLine
    /// RFC 9112 §5.1
    case spaceBeforeColon
    /// RFC 9110 §5.1
    case emptyFieldName
    /// RFC 9110 §5.1
    case invalidFieldName
    /// RFC 9112 §5
    case missingColon
    /// RFC 9110 §5.5
    case invalidFieldValue
    /// RFC 6585 §5
    case headerTooLarge
    /// RFC 6585 §5
    case tooManyFields

    // MARK: Framing

    /// RFC 9110 §8.6: not exactly digits, or more than `Int64.max`.
    case invalidLength
    /// RFC 9112 §6.3 item 5, stricter: a second Content-Length, even of the same value.
    case conflictingLengths
    /// RFC 9112 §6.1, stricter: Content-Length beside Transfer-Encoding.
    case bothLengthAndCoding
    /// RFC 9112 §6.1: Transfer-Encoding in HTTP/1.0.
    case codingBeforeVersion11
    /// RFC 9112 §6.1
    case unknownCoding
    /// RFC 9112 §6.3 item 4: chunked is there, but not once and last.
    case chunkedNotFinal
    /// RFC 9112 §6.1: an empty value or list element.
    case invalidCoding
    /// RFC 9112 §6.1, stricter: one field line only.
    case repeatedCoding

    // MARK: Meaning

    /// RFC 9112 §3.2
    case hostMissing
    /// RFC 9112 §3.2
    case hostRepeated
    /// RFC 9112 §3.2
    case hostInvalid
    /// RFC 9110 §7.6.1: removing the named field would change what the message means.
    case connectionNamesFramingField
    /// RFC 9110 §7.6.1: an option is a token.
    case invalidConnectionOption
    /// More than ``HeadParser/maximumConnectionOptionCount`` field names to look for.
    case tooManyConnectionOptions
    /// RFC 9110 §10.1.1
    case unknownExpectation

    /// The name of the rule, for logs and metrics.
    public var rule: StaticString {
        switch self {
        case .repeatedEmptyLine: "repeated-empty-line"
        case .tlsHandshake: "tls-handshake"
        case .invalidMethod: "invalid-method"
        case .connectMethod: "connect-method"
        case .invalidTarget: "invalid-target"
        case .fragmentInTarget: "fragment-in-target"
        case .asteriskWithoutOptions: "asterisk-without-options"
        case .unsupportedScheme: "unsupported-scheme"
        case .invalidTargetAuthority: "invalid-target-authority"
        case .invalidVersion: "invalid-version"
        case .unsupportedVersion: "unsupported-version"
        case .requestLineTooLong: "request-line-too-long"
        case .invalidStatus: "invalid-status"
        case .invalidReason: "invalid-reason"
        case .bareLineFeed: "bare-line-feed"
        case .bareCarriageReturn: "bare-carriage-return"
        case .whitespaceBeforeFields: "whitespace-before-fields"
        case .foldedLine: "folded-line"
        case .spaceBeforeColon: "space-before-colon"
        case .emptyFieldName: "empty-field-name"
        case .invalidFieldName: "invalid-field-name"
        case .missingColon: "missing-colon"
        case .invalidFieldValue: "invalid-field-value"
        case .headerTooLarge: "header-too-large"
        case .tooManyFields: "too-many-fields"
        case .invalidLength: "invalid-length"
        case .conflictingLengths: "conflicting-lengths"
        case .bothLengthAndCoding: "both-length-and-coding"
        case .codingBeforeVersion11: "coding-before-version-11"
        case .unknownCoding: "unknown-coding"
        case .chunkedNotFinal: "chunked-not-final"
        case .invalidCoding: "invalid-coding"
        case .repeatedCoding: "repeated-coding"
        case .hostMissing: "host-missing"
        case .hostRepeated: "host-repeated"
        case .hostInvalid: "host-invalid"
        case .connectionNamesFramingField: "connection-names-framing-field"
        case .invalidConnectionOption: "invalid-connection-option"
        case .tooManyConnectionOptions: "too-many-connection-options"
        case .unknownExpectation: "unknown-expectation"
        }
    }

    /// What a client is answered. A server's head that breaks a rule is 502 for the client,
    /// whatever this says.
    public var status: Int {
        switch self {
        case .connectMethod: 405
        case .requestLineTooLong: 414
        case .unknownExpectation: 417
        case .headerTooLarge, .tooManyFields: 431
        case .unknownCoding: 501
        case .unsupportedVersion: 505
        default: 400
        }
    }
}
