import Glibc

/// A pipe with a path. Nobody reads until it is told: a reader of logs that has stalled. Or it is
/// written to: a file that grows while somebody reads it.
public final class NamedPipe: Prop {
    public let path: String
    private let descriptor: Int32
    private let content = Locked<[UInt8]>([])
    private let isStopped = Locked(false)
    private let isOpen = Locked(true)
    private let running = RunningCount()

    public init(_ path: String) throws {
        self.path = path
        guard unsafe mkfifo(path, 0o600) == 0 else {
            throw PeerError.failed("mkfifo", errno: errno)
        }
        // For both, so that whoever opens it to write does not wait for us.
        descriptor = unsafe open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw PeerError.failed("open", errno: errno) }
        Props.keep(self)
    }

    /// What has been read.
    public var text: String { content.withLock { String(decoding: $0, as: UTF8.self) } }

    /// For whoever reads the path.
    public func write(_ text: String) throws {
        let bytes = Array(text.utf8)
        let count = unsafe Glibc.write(descriptor, bytes, bytes.count)
        guard count == bytes.count else { throw PeerError.failed("write", errno: errno) }
    }

    /// Whoever reads the path comes to the end.
    public func close() {
        isOpen.withLock { isOpen in
            if isOpen { Glibc.close(descriptor) }
            isOpen = false
        }
    }

    /// Reads from now on.
    public func startReading() {
        running.began()
        Thread.start { [self] in
            var bytes = [UInt8](repeating: 0, count: 65_536)
            while !isStopped.withLock({ $0 }) {
                let count = unsafe read(descriptor, &bytes, bytes.count)
                if count > 0 {
                    content.withLock { $0 += bytes[..<count] }
                } else {
                    Thread.sleep(milliseconds: 5)
                }
            }
            running.ended()
        }
    }

    public func stop() {
        isStopped.withLock { $0 = true }
        running.waitUntilNone()
    }

    deinit { close() }
}
