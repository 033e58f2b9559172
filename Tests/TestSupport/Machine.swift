import Foundation
import Glibc

/// What the tests need to know of this machine, and places and ports on it.
public enum Machine {
    public static var processorCount: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

    /// Whether the long runs of `make soak` were asked for.
    public static var isSoak: Bool { ProcessInfo.processInfo.environment["STAITHE_SOAK"] != nil }

    public static var isRoot: Bool { geteuid() == 0 }

    /// Whether a process may have a namespace of its own here.
    public static var canUnshare: Bool {
        guard let unshare = program("unshare") else { return false }
        let result = try? run(unshare, ["--pid", "--fork", "--mount-proc", "/bin/true"])
        return result?.status == 0
    }

    /// Whether the address sanitizer watches, which keeps freed memory for a while.
    public static var isAddressSanitized: Bool {
        ProcessInfo.processInfo.environment["ASAN_OPTIONS"] != nil
    }

    /// Whether the thread sanitizer watches, whose notes are memory of the process, too.
    public static var isThreadSanitized: Bool {
        ProcessInfo.processInfo.environment["TSAN_OPTIONS"] != nil
    }

    /// Ports handed out so far: two plays at the same time must not be given the same one.
    private static let given = Locked<Set<UInt16>>([])

    /// Ports of 127.0.0.1 that nobody listens on.
    ///
    /// They lie below the range from which the kernel takes the ports of outgoing connections,
    /// so that a client of another play cannot take one before its server is up.
    public static func freePorts(_ count: Int) -> [UInt16] {
        var ports: [UInt16] = []
        while ports.count < count {
            let port = UInt16.random(in: 10_000..<32_000)
            let isNew = given.withLock { $0.insert(port).inserted }
            if isNew, let listener = try? ListeningSocket(port: port) {
                listener.close()
                ports.append(port)
            }
        }
        return ports
    }

    public static func freePort() -> UInt16 { freePorts(1)[0] }

    /// Raises the soft limit of descriptors to the hard one; what it is then.
    @discardableResult
    public static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(limit.rlim_cur)
    }

    /// A program of `Tests/Support`.
    public static func support(_ name: String, here: String = #filePath) -> String {
        let tests = here.split(separator: "/").dropLast(2).joined(separator: "/")
        return "/\(tests)/Support/\(name)"
    }

    public static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Where an installed program is, also in the places that are not on a user's path.
    public static func program(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let directories: [Substring] = path.split(separator: ":")
        for directory in directories + ["/usr/sbin", "/sbin"] {
            let file = "\(directory)/\(name)"
            if unsafe access(file, X_OK) == 0 { return file }
        }
        return nil
    }
}

/// A directory that goes away with its owner, and not before the test has ended.
public final class TemporaryDirectory: Prop {
    public let path: String

    public init() {
        // Short: the path of a unix socket has at most 107 bytes.
        path = "/tmp/staithe-\(getpid())-\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
        let result = unsafe mkdir(path, 0o755)
        precondition(result == 0, "mkdir \(path) failed: \(errno)")
        Props.keep(self)
    }

    public func stop() {}

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file in place, as an editor that keeps the inode does.
    public func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
    }

    /// Writes a new file and renames it over the old one.
    public func replace(_ name: String, with text: String) throws {
        try write(text, to: name + ".new")
        let result = unsafe rename(file(name + ".new"), file(name))
        precondition(result == 0, "rename failed: \(errno)")
    }

    public func read(_ name: String) -> String { contents(ofFile: file(name)) }
}

/// The text of a file; empty when there is none.
public func contents(ofFile path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
}
