import Glibc

/// A name server of 127.0.0.1 that answers as it is told, over UDP and TCP.
public final class ScriptedNameServer: Prop {
    public struct Question: Hashable, Sendable {
        /// In lower case.
        public var name: String
        /// 1 for A, 28 for AAAA, 33 for SRV.
        public var type: UInt16
        public var isTCP: Bool
    }

    public enum Record: Sendable {
        case a(String, seconds: UInt32)
        /// As its sixteen bytes.
        case aaaa([UInt8], seconds: UInt32)
        case srv(
            priority: UInt16, weight: UInt16, port: UInt16, target: String, seconds: UInt32)
        case alias(String, seconds: UInt32)
    }

    public enum Reply: Sendable {
        /// For the name that was asked for, in this order; none is NODATA.
        case answers([Record])
        /// 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED.
        case failure(UInt8)
        /// Over UDP: ask again over TCP.
        case truncated
        case silence
        case bytes([UInt8])
    }

    public typealias Script = @Sendable (Question) -> Reply

    private let descriptor: Int32
    private let listener: ListeningSocket
    private let script: Locked<Script>
    private let log = Locked<[Question]>([])
    public var port: UInt16 { listener.port }
    public var address: String { "127.0.0.1:\(port)" }

    public init(_ script: @escaping Script) throws {
        let listener = try ListeningSocket()
        let descriptor = socket(
            AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        self.listener = listener
        self.descriptor = descriptor
        self.script = Locked(script)
        var place = loopback(port: listener.port)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = unsafe withUnsafePointer(to: &place) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, size) == 0
            }
        }
        guard isBound else { throw PeerError.failed("bind", errno: errno) }
        Props.keep(self)
        Thread.start { self.serveDatagrams() }
        Thread.start {
            while let connection = listener.accept() {
                Thread.start { self.serve(connection) }
            }
        }
    }

    public func stop() {
        listener.stop()
        shutdown(descriptor, Int32(SHUT_RDWR))
    }

    /// Another script from now on.
    public func play(_ script: @escaping Script) { self.script.withLock { $0 = script } }

    /// What was asked so far.
    public var questions: [Question] { log.withLock { $0 } }

    // MARK: - Serving

    private func serveDatagrams() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var peer = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = unsafe withUnsafeMutablePointer(to: &peer) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
                }
            }
            guard count > 0 else { return }
            guard let answer = answer(Array(buffer[..<count]), isTCP: false) else { continue }
            let size = length
            unsafe withUnsafePointer(to: &peer) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = unsafe sendto(descriptor, answer, answer.count, 0, $0, size)
                }
            }
        }
    }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        func read(_ count: Int) -> [UInt8]? {
            var bytes: [UInt8] = []
            while bytes.count < count {
                var buffer = [UInt8](repeating: 0, count: count - bytes.count)
                let got = unsafe recv(connection, &buffer, buffer.count, 0)
                guard got > 0 else { return nil }
                bytes += buffer[..<got]
            }
            return bytes
        }
        while let length = read(2), let query = read(Int(length[0]) << 8 | Int(length[1])) {
            guard let answer = answer(query, isTCP: true) else { continue }
            let framed = Self.number(UInt16(answer.count)) + answer
            guard unsafe send(connection, framed, framed.count, Int32(MSG_NOSIGNAL)) > 0
            else { return }
        }
    }

    private func answer(_ query: [UInt8], isTCP: Bool) -> [UInt8]? {
        guard query.count > 12 else { return nil }
        var position = 12
        var labels: [String] = []
        while position < query.count, query[position] > 0 {
            let count = Int(query[position])
            labels.append(
                String(decoding: query[(position + 1)...(position + count)], as: UTF8.self))
            position += count + 1
        }
        let end = position + 5
        guard end <= query.count else { return nil }
        let type = UInt16(query[position + 1]) << 8 | UInt16(query[position + 2])
        let question = Question(
            name: labels.joined(separator: ".").lowercased(), type: type, isTCP: isTCP)
        log.withLock { $0.append(question) }
        let reply = script.withLock { $0 }(question)
        let asked = Array(query[12..<end])
        func head(flags: UInt16, count: Int) -> [UInt8] {
            Array(query[..<2]) + Self.number(0x8180 | flags) + Self.number(1)
                + Self.number(UInt16(count)) + Self.number(0) + Self.number(0) + asked
        }
        switch reply {
        case .silence: return nil
        case .bytes(let bytes): return bytes
        case .failure(let code): return head(flags: UInt16(code), count: 0)
        case .truncated: return head(flags: 0x0200, count: 0)
        case .answers(let records):
            var owner: [UInt8] = [0xC0, 0x0C]
            var bytes = head(flags: 0, count: records.count)
            for record in records { bytes += Self.bytes(of: record, &owner) }
            return bytes
        }
    }

    // MARK: - Bytes

    private static func number(_ value: UInt16) -> [UInt8] {
        [UInt8(value >> 8), UInt8(value & 0xFF)]
    }

    private static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    private static func bytes(of record: Record, _ owner: inout [UInt8]) -> [UInt8] {
        let (type, seconds, data): (UInt16, UInt32, [UInt8]) =
            switch record {
            case .a(let text, let seconds):
                (1, seconds, text.split(separator: ".").compactMap { UInt8($0) })
            case .aaaa(let bytes, let seconds): (28, seconds, bytes)
            case .srv(let priority, let weight, let port, let target, let seconds):
                (
                    33, seconds,
                    number(priority) + number(weight) + number(port) + name(target)
                )
            case .alias(let target, let seconds): (5, seconds, name(target))
            }
        let bytes =
            owner + number(type) + number(1) + number(UInt16(seconds >> 16))
            + number(UInt16(seconds & 0xFFFF)) + number(UInt16(data.count)) + data
        // What follows an alias is of its target.
        if case .alias(let target, _) = record { owner = name(target) }
        return bytes
    }
}
