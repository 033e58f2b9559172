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
    /// Ciphertext could not be kept: what follows it would be another's to read. The next call
    /// ends the connection.
    var isCut = false
    /// close_notify has been said: once nothing is pending, TCP's end follows it.
    var isFinished = false
    /// The last read took all that the socket had, and no edge has come since.
    var isSocketDrained = false
    /// TLS holds content, or the end, that has not been read: no edge will tell of it.
    var holdsMore = false
    /// Field lines that tell servers who has shown a certificate.
    var identity = Buffer()
    /// The subject's place in it.
    var subject = ByteRange.empty

    /// The client has not said whole what it begins with, its ClientHello.
    var isSilent = false
    /// Of a silent client: its slot, and its neighbours in the list of those, by their slots
    /// here.
    var client = UInt32.max
    var older = UInt32.max
    var newer = UInt32.max

    init(_ tls: consuming TLSConnection) { self.tls = tls }

    /// Whether a whole record has come (RFC 8446 §5.1): with any client that there is, it
    /// holds the ClientHello.
    var hasRecord: Bool {
        guard received.count >= 5 else { return false }
        let bytes = received.bytes
        return received.count - 5 >= Int(bytes.byte(3)) << 8 | Int(bytes.byte(4))
    }
}

/// What one loop has of TLS towards one server, by its cell.
struct SessionSlot: ~Copyable {
    /// Of the last connection, if there was one.
    var session: TLSSession?
    /// The rules and the name by which the server is verified now.
    private var rules: ClientTLS?
    private var name = ""
    /// Counts the changes of both. A connection of an earlier generation may end what it has
    /// begun, and begins nothing more.
    private(set) var generation: UInt32 = 0

    /// Takes over what a snapshot says.
    ///
    /// - Returns: whether it is something else: then nothing that was verified before counts.
    mutating func adopt(_ rules: ClientTLS?, name: String) -> Bool {
        guard self.rules !== rules || rules != nil && self.name != name else { return false }
        self.rules = rules
        self.name = name
        session = nil
        generation &+= 1
        return true
    }
}
