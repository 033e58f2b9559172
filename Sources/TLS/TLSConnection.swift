import COpenSSL
import Glibc
public import Memory

/// One connection's TLS, without its socket: ciphertext comes in through a buffer and goes out
/// into another, so that the system calls, and how many bytes each moves, are the caller's.
///
/// ## Invariants
/// - The `SSL` and its BIO belong to this value and are freed with it, before the context.
/// - The BIO points to `ports`, which lives as long; its buffers are lent for one call.
@safe public struct TLSConnection: ~Copyable {
    public enum Step: Equatable, Sendable {
        case done
        /// More ciphertext has to come in first.
        case needsMore
        case failed(TLSFailure)
    }

    public enum Read: Equatable, Sendable {
        case bytes(Int)
        case needsMore
        /// The peer said that it has finished (close_notify).
        case endOfStream
        case failed(TLSFailure)
    }

    /// Output must have this much room before a call, beside what the content takes.
    public static let headroom = 20 << 10

    private let ssl: OpaquePointer
    private let ports: UnsafeMutablePointer<Ports>
    private let server: ServerTLS?
    private let client: ClientTLS?
    /// The server's; empty for a connection that a client has opened.
    private let name: String
    public private(set) var isEstablished = false
    private var hasSaidGoodbye = false
    /// How the peer's side ended, once that is known: what came with content before it is told
    /// first, and the end by the next ``receive(_:into:atMost:_:)``.
    private var ending: Read?

    /// A connection that a client has opened.
    public init(server: ServerTLS) {
        self.server = server
        client = nil
        name = ""
        (unsafe ssl, unsafe ports) = unsafe Self.make(server.first)
        unsafe SSL_set_accept_state(ssl)
    }

    /// A connection to a server, whose certificate must be for `name`: a host or an address.
    ///
    /// - Parameter onlyHTTP1: do not offer HTTP/2, whatever the settings say.
    public init(
        client: ClientTLS, name: String, session: borrowing TLSSession?, onlyHTTP1: Bool = false
    ) {
        server = nil
        self.client = client
        self.name = name
        (unsafe ssl, unsafe ports) = unsafe Self.make(client.context)
        unsafe SSL_set_connect_state(ssl)
        let isAddress = Self.isAddress(name)
        if !isAddress { unsafe _ = openssl_set_host_name(ssl, name) }
        if onlyHTTP1 {
            let wire = ALPNProtocol.http1.wireForm
            unsafe _ = SSL_set_alpn_protos(ssl, wire, UInt32(wire.count))
        }
        if client.verifies {
            if isAddress {
                unsafe _ = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name)
            } else {
                unsafe _ = SSL_set1_host(ssl, name)
            }
        }
        switch session {
        case .some(let known):
            if client.accepts(known, for: name) { unsafe _ = SSL_set_session(ssl, known.session) }
        case .none: break
        }
    }

    deinit {
        // Else OpenSSL takes the end for a broken one, and gives up a session that is good.
        unsafe SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        unsafe SSL_free(ssl)
        unsafe ports.deallocate()
    }

    private static func isAddress(_ name: String) -> Bool {
        var four = in_addr()
        var six = in6_addr()
        return unsafe inet_pton(AF_INET, name, &four) == 1
            || inet_pton(AF_INET6, name, &six) == 1
    }

    private static func make(
        _ context: OpaquePointer
    ) -> (OpaquePointer, UnsafeMutablePointer<Ports>) {
        guard let ssl = unsafe SSL_new(context), let bio = unsafe BIO_new(Ports.method.pointer)
        else {
            preconditionFailure("OpenSSL makes a connection, or there is no memory")
        }
        let ports = UnsafeMutablePointer<Ports>.allocate(capacity: 1)
        unsafe ports.initialize(to: Ports())
        unsafe BIO_set_data(bio, ports)
        unsafe BIO_set_init(bio, 1)
        unsafe SSL_set_bio(ssl, bio, bio)
        return unsafe (ssl, ports)
    }

    // MARK: - The work

    /// Goes on with the handshake as far as the bytes in `input` allow. What must be sent is
    /// appended to `output`, after a failure, too: the alert that tells the peer.
    public mutating func handshake(_ input: inout Buffer, _ output: inout Buffer) -> Step {
        ERR_clear_error()
        let ssl = unsafe self.ssl
        let status = run(&input, &output) { unsafe SSL_do_handshake(ssl) }
        if status == 1 {
            if let client, unsafe !client.accepts(ssl) { return .failed(.wrongPin) }
            if let server, let refusal = unsafe server.refusal(ssl) { return .failed(refusal) }
            isEstablished = true
            return .done
        }
        switch unsafe SSL_get_error(ssl, status) {
        case SSL_ERROR_WANT_READ: return .needsMore
        default: return unsafe .failed(TLSFailure.take(ssl))
        }
    }

    /// Decrypts what `input` holds into the room of `plaintext`, up to `limit`.
    ///
    /// - Returns: content before the end that came behind it; see ``hasEnded``.
    public mutating func receive(
        _ input: inout Buffer, into plaintext: inout Buffer, atMost limit: Int,
        _ output: inout Buffer
    ) -> Read {
        if let ending { return ending }
        ERR_clear_error()
        let ssl = unsafe self.ssl
        var total = 0
        while total < limit, plaintext.room > 0 {
            var status: CInt = 0
            let count = unsafe plaintext.fill(atMost: limit - total) { room in
                var count = 0
                status = run(&input, &output) {
                    unsafe SSL_read_ex(ssl, room.baseAddress, room.count, &count)
                }
                return status == 1 ? count : 0
            }
            if status == 1 {
                total += count
                continue
            }
            let outcome: Read
            switch unsafe SSL_get_error(ssl, status) {
            case SSL_ERROR_WANT_READ: outcome = .needsMore
            case SSL_ERROR_ZERO_RETURN:
                outcome = .endOfStream
                ending = outcome
            default:
                outcome = unsafe .failed(TLSFailure.take(ssl))
                ending = outcome
            }
            return total > 0 ? .bytes(total) : outcome
        }
        return .bytes(total)
    }

    /// The peer's side has ended, well or not: the next ``receive(_:into:atMost:_:)`` says how, and
    /// needs no more input for that.
    public var hasEnded: Bool { ending != nil }

    /// Encrypts as much of `plaintext` as surely fits into the room of `output`.
    ///
    /// - Returns: how much; 0 without room. `nil` when the connection is broken.
    public mutating func send(_ plaintext: RawSpan, _ output: inout Buffer) -> Int? {
        // A record of 16 KiB grows by 5 + 8 + 16 bytes at most, and 1 in TLS 1.3.
        let room = output.room - 1024
        guard room > 0 else { return 0 }
        let most = room - (room / (16 << 10) + 1) * 64
        let count = min(plaintext.byteCount, max(0, most))
        guard count > 0 else { return 0 }
        ERR_clear_error()
        let ssl = unsafe self.ssl
        var none = Buffer()
        var written = 0
        let status = unsafe plaintext.withUnsafeBytes { bytes in
            run(&none, &output) {
                unsafe SSL_write_ex(ssl, bytes.baseAddress, count, &written)
            }
        }
        guard status == 1 else {
            ERR_clear_error()
            return nil
        }
        return written
    }

    /// Says that nothing more will be sent (RFC 8446 §6.1); once.
    public mutating func close(_ output: inout Buffer) {
        guard isEstablished, !hasSaidGoodbye else { return }
        hasSaidGoodbye = true
        ERR_clear_error()
        let ssl = unsafe self.ssl
        var none = Buffer()
        _ = run(&none, &output) { unsafe SSL_shutdown(ssl) }
        ERR_clear_error()
    }

    /// What the end of the peer's connection means now that it has come.
    public var end: Read {
        unsafe SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0
            ? .endOfStream : .failed(.truncated)
    }

    /// Lends both buffers to the BIO for one call.
    private func run(
        _ input: inout Buffer, _ output: inout Buffer, _ body: () -> CInt
    ) -> CInt {
        let ports = unsafe self.ports
        let available = input.count
        var taken = 0
        var status: CInt = 0
        _ = unsafe output.fill { room in
            unsafe input.bytes.withUnsafeBytes { bytes in
                unsafe ports.pointee = Ports(
                    input: bytes.baseAddress, inputCount: available,
                    output: room.baseAddress, outputRoom: room.count)
                status = body()
                taken = unsafe available - ports.pointee.inputCount
                let written = unsafe ports.pointee.outputCount
                unsafe ports.pointee = Ports()
                return written
            }
        }
        if taken > 0 { input.consume(taken) }
        return status
    }

    // MARK: - What was agreed

    /// Decrypted bytes, or whole records, that are still inside.
    public var hasPending: Bool { unsafe SSL_has_pending(ssl) == 1 }

    public var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

    public var version: TLSVersion {
        unsafe SSL_version(ssl) == TLS1_3_VERSION ? .tls13 : .tls12
    }

    public var alpn: ALPNProtocol {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &name, &count)
        return switch count {
        case 2: .http2
        case 8: .http1
        default: .none
        }
    }

    /// Whether the name that the client asked for is `host`, in any case.
    public func isNamed(_ host: RawSpan) -> Bool {
        guard let text = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
            return false
        }
        let name = unsafe UnsafeRawBufferPointer(start: text, count: strlen(text))
        guard name.count == host.byteCount else { return false }
        for index in 0..<host.byteCount {
            guard unsafe name[index] | 0x20 == host.byte(index) | 0x20 else { return false }
        }
        return true
    }

    /// The name that the client has asked for; empty for none. Allocates.
    public var requestedName: String {
        guard let text = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
            return ""
        }
        return unsafe String(cString: text)
    }

    /// The version and the cipher that were agreed on, in OpenSSL's words. Allocates.
    public var words: (version: String, cipher: String) {
        guard let version = unsafe SSL_get_version(ssl),
            let cipher = unsafe SSL_CIPHER_get_name(SSL_get_current_cipher(ssl))
        else { return ("", "") }
        return unsafe (String(cString: version), String(cString: cipher))
    }

    /// The common name of a verified peer, in UTF-8; empty for none. Allocates.
    public var peerCommonName: String {
        guard hasVerifiedPeer, let peer = unsafe SSL_get0_peer_certificate(ssl),
            let name = unsafe X509_get_subject_name(peer)
        else { return "" }
        let index = unsafe X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0, let entry = unsafe X509_NAME_get_entry(name, index) else { return "" }
        var text: UnsafeMutablePointer<UInt8>?
        let count = unsafe ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry))
        guard count > 0, let bytes = unsafe text else { return "" }
        defer { unsafe openssl_free(bytes) }
        return unsafe String(
            decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
    }

    /// - Returns: whether the peer has shown a certificate, and it was verified.
    public var hasVerifiedPeer: Bool {
        unsafe SSL_get0_peer_certificate(ssl) != nil && SSL_get_verify_result(ssl) == X509_V_OK
    }

    /// The peer's subject (RFC 2253), with everything but printable ASCII escaped, and the
    /// SHA-256 of its certificate in hexadecimal digits.
    ///
    /// - Returns: `nil` without a verified certificate. Allocates: once for a connection.
    public func peerIdentity() -> (subject: String, fingerprint: String)? {
        guard hasVerifiedPeer, let peer = unsafe SSL_get0_peer_certificate(ssl) else {
            return nil
        }
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        unsafe X509_digest(peer, EVP_sha256(), &digest, &count)
        var subject = ""
        if let bio = unsafe BIO_new(BIO_s_mem()) {
            defer { unsafe _ = BIO_free(bio) }
            unsafe _ = openssl_print_name(bio, X509_get_subject_name(peer))
            var text = [UInt8](repeating: 0, count: 1024)
            let length = unsafe BIO_read(bio, &text, CInt(text.count))
            for byte in text.prefix(Int(max(0, length))) where byte >= 0x20 && byte < 0x7F {
                subject.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return (subject, Hexadecimal.text(digest[..<Int(count)]))
    }

    /// The session as it is now, for the next connection to the same server under the same
    /// rules; `nil` when it cannot be used again, and of a connection that a client has opened.
    public func session() -> TLSSession? {
        guard let client, let session = unsafe SSL_get1_session(ssl) else { return nil }
        guard unsafe SSL_SESSION_is_resumable(session) == 1 else {
            unsafe SSL_SESSION_free(session)
            return nil
        }
        return unsafe TLSSession(session, owner: client, name: name)
    }
}

/// Where a BIO reads and writes during one call.
@safe struct Ports {
    var input: UnsafeRawPointer?
    var inputCount = 0
    var output: UnsafeMutableRawPointer?
    var outputRoom = 0
    var outputCount = 0

    init() {}

    init(
        input: UnsafeRawPointer?, inputCount: Int, output: UnsafeMutableRawPointer?,
        outputRoom: Int
    ) {
        unsafe self.input = unsafe input
        self.inputCount = inputCount
        unsafe self.output = unsafe output
        self.outputRoom = outputRoom
    }

    /// A BIO that copies, and nothing else.
    static let method = Method()

    /// Immutable once it is made: `@unchecked Sendable`.
    @safe struct Method: @unchecked Sendable {
        let pointer: OpaquePointer

        init() { unsafe pointer = unsafe Ports.makeMethod() }
    }

    private static func makeMethod() -> OpaquePointer {
        guard let method = unsafe BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ports")
        else { preconditionFailure("OpenSSL makes a method, or there is no memory") }
        unsafe BIO_meth_set_read(method) { bio, target, count in
            let ports = unsafe BIO_get_data(bio)!.assumingMemoryBound(to: Ports.self)
            let taken = unsafe min(Int(count), ports.pointee.inputCount)
            guard taken > 0, let input = unsafe ports.pointee.input else {
                unsafe openssl_set_retry_read(bio)
                return -1
            }
            unsafe openssl_clear_flags(bio)
            unsafe memcpy(target!, input, taken)
            unsafe ports.pointee.input = unsafe input + taken
            unsafe ports.pointee.inputCount -= taken
            return CInt(taken)
        }
        unsafe BIO_meth_set_write(method) { bio, source, count in
            let ports = unsafe BIO_get_data(bio)!.assumingMemoryBound(to: Ports.self)
            unsafe openssl_clear_flags(bio)
            let offset = unsafe ports.pointee.outputCount
            guard let output = unsafe ports.pointee.output,
                unsafe offset + Int(count) <= ports.pointee.outputRoom
            else { return -1 }
            unsafe memcpy(output + offset, source!, Int(count))
            unsafe ports.pointee.outputCount = offset + Int(count)
            return count
        }
        unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in
            // Everything has gone where it belongs as soon as it was written.
            command == BIO_CTRL_FLUSH ? 1 : 0
        }
        return unsafe method
    }
}
