/// A port of 127.0.0.1 whose queue of connections is full: the kernel drops each further SYN, and
/// whoever connects sends it again after a second.
public final class CrowdedListener: Prop {
    private let listener: ListeningSocket
    private let inside: ScriptedPeer
    public var port: UInt16 { listener.port }

    public init() throws {
        listener = try ListeningSocket(port: Machine.freePort(), backlog: 0)
        inside = try ScriptedPeer(port: listener.port)
        Props.keep(self)
    }

    /// Sockets of this host that have sent a SYN to the port and have no answer.
    public var waitingCount: Int {
        let digits = String(port, radix: 16, uppercase: true)
        let place = "0100007F:" + String(repeating: "0", count: 4 - digits.count) + digits
        // The table may be long, and is written while it is read: not by FileManager.
        let table = (try? run("/bin/cat", ["/proc/net/tcp"]).output) ?? ""
        return table.split(separator: "\n").count { line in
            let words = line.split(separator: " ")
            return words.count > 3 && words[2] == place && words[3] == "02"
        }
    }

    /// Makes way for a server that answers every request with a text.
    public func serve(_ text: String) throws -> ScriptedServer {
        stop()
        return try ScriptedServer(port: port) { _ in ok(text) }
    }

    public func stop() {
        listener.close()
        inside.close()
    }
}
