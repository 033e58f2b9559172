import CLinux
import Glibc
public import Timing

/// Files, for the calm side: configuration, sockets' directories, logs.
public enum File {
    /// More than any file that is read whole may have.
    public static var byteBound: Int { 64 << 20 }

    /// Reads a whole file.
    ///
    /// - Throws: `EFBIG` beyond ``byteBound``.
    public static func read(_ path: String) throws(Errno) -> [UInt8] {
        let number = unsafe linux_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard number >= 0 else { throw .current }
        return try FileDescriptor(owning: number).readToEnd()
    }

    /// Opens a file to write at its end; makes it when it is missing. A pipe that nobody reads is
    /// an error, and not waited for.
    public static func openForAppending(_ path: String) throws(Errno) -> FileDescriptor {
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK
        let number = unsafe linux_open(path, flags, 0o640)
        guard number >= 0 else { throw .current }
        return FileDescriptor(owning: number)
    }

    /// Writes a new file that nobody else may read.
    public static func writePrivately(_ bytes: [UInt8], to path: String) throws(Errno) {
        let number = unsafe linux_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard number >= 0 else { throw .current }
        try FileDescriptor(owning: number).writeAll(bytes)
    }

    /// Makes a directory of its own for this process, which nobody else may enter.
    public static func makePrivateDirectory() throws(Errno) -> String {
        let parent = ThisProcess.environment("TMPDIR") ?? "/tmp"
        var template = Array("\(parent)/staithe-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw .current }
        return unsafe template.withUnsafeBufferPointer { unsafe String(cString: $0.baseAddress!) }
    }

    /// Removes an empty directory; harmless when there is none.
    public static func removeDirectory(_ path: String) { _ = unsafe rmdir(path) }

    /// Harmless when there is none.
    public static func remove(_ path: String) { _ = unsafe unlink(path) }

    /// Which file it is, whatever it is called: another one may have taken its name, and, when it
    /// is gone, its number. Its time is that of its content, which for a socket is that of its
    /// making.
    public struct Identity: Equatable, Sendable {
        var device: UInt64
        var inode: UInt64
        var seconds: Int
        var nanoseconds: Int
    }

    /// - Returns: `nil` when there is no such file. Links are not followed.
    public static func identity(of path: String) -> Identity? {
        var facts = stat()
        guard unsafe lstat(path, &facts) == 0 else { return nil }
        return Identity(
            device: UInt64(facts.st_dev), inode: UInt64(facts.st_ino),
            seconds: facts.st_mtim.tv_sec, nanoseconds: facts.st_mtim.tv_nsec)
    }

    /// Removes a file if it still is the one that it was; harmless when there is none.
    public static func remove(_ path: String, if identity: Identity) {
        if self.identity(of: path) == identity { remove(path) }
    }

    /// Makes a directory; one that exists already is fine.
    public static func makeDirectory(_ path: String, mode: UInt16) throws(Errno) {
        guard unsafe mkdir(path, mode_t(mode)) != 0, errno != EEXIST else { return }
        throw .current
    }

    /// Whether this process may make files in a directory.
    public static func isWritableDirectory(_ path: String) -> Bool {
        unsafe access(path, W_OK | X_OK) == 0
    }

    /// Whether a Unix socket stands there.
    public static func isSocket(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    public static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Whether `path` is a directory of this user that nobody else may enter.
    public static func isPrivateDirectory(_ path: String) -> Bool {
        var facts = stat()
        guard unsafe lstat(path, &facts) == 0 else { return false }
        return facts.st_mode & S_IFMT == S_IFDIR && facts.st_uid == geteuid()
            && facts.st_mode & 0o077 == 0
    }

    /// The names in a directory; none when it cannot be read.
    public static func names(in directory: String) -> [String] {
        guard let stream = unsafe opendir(directory) else { return [] }
        defer { unsafe _ = closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// The directory of a path; `.` for a bare name.
    public static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension FileDescriptor {
    /// Writes everything; waits when the descriptor does.
    public borrowing func writeAll(_ bytes: [UInt8]) throws(Errno) {
        try Self.write(bytes, to: number)
    }

    /// Writes what can be written without waiting for whoever reads it.
    ///
    /// - Returns: how many bytes; fewer than there are when the rest would have to wait.
    public borrowing func writeAvailable(_ bytes: [UInt8]) throws(Errno) -> Int {
        try Self.writeAvailable(bytes, to: number)
    }

    /// Reads what is there, at least one byte; `nil` at the end. Waits when the descriptor does.
    public borrowing func readSome() throws(Errno) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe Glibc.read(number, &buffer, buffer.count)
            if count > 0 { return Array(buffer[..<count]) }
            if count == 0 { return nil }
            if errno != EINTR { throw .current }
        }
    }

    /// Reads everything.
    ///
    /// - Throws: `EFBIG` beyond ``File/byteBound``.
    public borrowing func readToEnd() throws(Errno) -> [UInt8] {
        var content: [UInt8] = []
        while let bytes = try readSome() {
            content += bytes
            guard content.count <= File.byteBound else { throw Errno(code: EFBIG) }
        }
        return content
    }

    /// Waits until there is something to read, or the other end has closed.
    ///
    /// - Returns: `false` when nothing has come until `deadline`.
    public borrowing func waitUntilReadable(until deadline: LoopInstant) -> Bool {
        while true {
            let now = Clock.monotonic()
            let rest = now < deadline ? (deadline - now).nanoseconds : 0
            var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            // A started millisecond counts, so that the last one is not spent in a loop.
            let count = unsafe poll(&entry, 1, CInt(clamping: (rest + 999_999) / 1_000_000))
            if count > 0 { return true }
            if Clock.monotonic() >= deadline { return false }
        }
    }

    /// A pipe that is writable takes this much without waiting (PIPE_BUF); terminals and sockets
    /// do, too.
    private static let pieceByteCount = 4096

    fileprivate static func writeAvailable(
        _ bytes: [UInt8], to number: CInt
    ) throws(Errno) -> Int {
        // The descriptor may be shared with other processes, so it is not made non-blocking.
        let isFile = isRegularFile(number)
        var position = 0
        while position < bytes.count {
            let rest = bytes.count - position
            let result =
                isFile
                ? writeSome(bytes, from: position, rest, to: number)
                // Nobody else of this process takes the room that was just seen.
                : StandardStream.turn.withLock { _ in
                    writePiece(bytes, from: position, piece(of: bytes, at: position), to: number)
                }
            guard let written = try result.get() else { return position }
            position += written
        }
        return position
    }

    /// Whole lines where that is possible: others may write into the same pipe in between.
    private static func piece(of bytes: [UInt8], at position: Int) -> Int {
        guard bytes.count - position > pieceByteCount else { return bytes.count - position }
        let piece = bytes[position..<position + pieceByteCount]
        guard let end = piece.lastIndex(of: 10) else { return pieceByteCount }
        return end + 1 - position
    }

    /// - Returns: `nil` when the bytes would have to wait.
    private static func writePiece(
        _ bytes: [UInt8], from position: Int, _ count: Int, to number: CInt
    ) -> Result<Int?, Errno> {
        var entry = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
        guard unsafe poll(&entry, 1, 0) > 0 else { return .success(nil) }
        return writeSome(bytes, from: position, count, to: number)
    }

    private static func writeSome(
        _ bytes: [UInt8], from position: Int, _ count: Int, to number: CInt
    ) -> Result<Int?, Errno> {
        let written = unsafe bytes.withUnsafeBytes { buffer in
            unsafe Glibc.write(number, buffer.baseAddress! + position, count)
        }
        if written >= 0 { return .success(written) }
        return errno == EAGAIN || errno == EINTR ? .success(nil) : .failure(.current)
    }

    private static func isRegularFile(_ number: CInt) -> Bool {
        var facts = stat()
        return unsafe fstat(number, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
    }

    fileprivate static func write(_ bytes: [UInt8], to number: CInt) throws(Errno) {
        var position = 0
        while position < bytes.count {
            let written = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(
                    number, buffer.baseAddress! + position, buffer.count - position)
            }
            if written >= 0 {
                position += written
            } else if errno == EAGAIN {
                // A terminal or pipe that somebody else made non-blocking.
                var entry = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&entry, 1, -1)
            } else if errno != EINTR {
                throw .current
            }
        }
    }
}

/// The descriptors that a process is born with.
public enum StandardStream: CInt, Sendable {
    case output = 1
    case error = 2

    /// Of those who write without waiting.
    fileprivate static let turn = Locked(())

    /// Writes everything.
    public func write(_ bytes: [UInt8]) throws(Errno) {
        try FileDescriptor.write(bytes, to: rawValue)
    }

    /// Writes what can be written without waiting; see ``FileDescriptor/writeAvailable(_:)``.
    public func writeAvailable(_ bytes: [UInt8]) throws(Errno) -> Int {
        try FileDescriptor.writeAvailable(bytes, to: rawValue)
    }

    /// For messages to people, whom nobody can tell when this fails.
    public func print(_ text: String) { try? write(Array((text + "\n").utf8)) }

    public var isTerminal: Bool { isatty(rawValue) == 1 }
}

/// Facts about this process.
public enum ThisProcess {
    public static var identifier: Int32 { getpid() }
    public static var user: UInt32 { geteuid() }

    public static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    /// Where the program that runs here lies; `nil` where /proc is missing.
    public static var executable: String? { File.link("/proc/self/exe") }

    /// Ends the process at once, without running anything else.
    public static func exit(_ status: Int32) -> Never { Glibc._exit(status) }

    /// Whether a process exists, of whatever user.
    public static func exists(_ process: Int32) -> Bool {
        kill(process, 0) == 0 || errno == EPERM
    }

    /// Blocks the calling thread.
    public static func sleep(_ time: Interval) {
        let length = timespec(
            tv_sec: Int(time.nanoseconds / 1_000_000_000),
            tv_nsec: Int(time.nanoseconds % 1_000_000_000))
        // Every signal is blocked or ignored, so nothing cuts it short.
        _ = unsafe withUnsafePointer(to: length) { unsafe nanosleep($0, nil) }
    }
}

extension File {
    /// The directories in which a change may give `path` another content: its own, and those
    /// of the symbolic links on the way to it.
    public static func directories(leadingTo path: String) -> [String] {
        var directories: [String] = []
        var current = path
        // As many links as the kernel follows.
        for _ in 0..<40 {
            let directory = directory(of: current)
            if !directories.contains(directory) { directories.append(directory) }
            if let target = link(current) {
                current = target.hasPrefix("/") ? target : "\(directory)/\(target)"
            } else if let target = link(directory) {
                // `..data/staithe.yaml`, where `..data` is the link that is swapped.
                let parent = self.directory(of: directory)
                let name = current.split(separator: "/").last.map(String.init) ?? ""
                let base = target.hasPrefix("/") ? target : "\(parent)/\(target)"
                if !directories.contains(parent) { directories.append(parent) }
                current = "\(base)/\(name)"
            } else {
                break
            }
        }
        return directories
    }

    /// Where a symbolic link leads; `nil` for anything else.
    fileprivate static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe readlink(
                path, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
