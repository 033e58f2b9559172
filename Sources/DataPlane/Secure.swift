import Memory
import TLS

/// What a connection with TLS has beside its socket.
struct Secure: ~Copyable {
    var tls: TLSConnection
    /// Ciphertext that came in and has not been taken.
    var received = Buffer()
    /// Ciphertext that the socket has not taken.
    var pending = Buffer()
    /// The client has had a first answer: what is left of its handshake costs little.
    var isUnderWay = false
    /// What is pending may wait for what comes next: a ticket, for the first answer.
    var mayWait = false
    /// The last read took all that the socket had, and no edge has come since.
    var isSocketDrained = false
    /// Field lines that tell servers who has shown a certificate.
    var identity = Buffer()
    /// The subject's place in it.
    var subject = ByteRange.empty

    init(_ tls: consuming TLSConnection) { self.tls = tls }
}

/// The session of the last connection to a server, if there is one.
struct SessionSlot: ~Copyable {
    var session: TLSSession?
}
