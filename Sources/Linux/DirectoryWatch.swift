import CLinux
import Glibc

/// An inotify watch on a directory: it becomes readable when an entry has been written and
/// closed, or is made, moved or removed.
///
/// Writes are reported when the writer closes the file, not one by one: before, it may be half
/// of what it is going to be.
///
/// The directory and not the file is watched, because a file is rarely written in place: editors
/// rename a new one over it, and Kubernetes swaps a symbolic link beside it.
public struct DirectoryWatch: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    public init(_ path: String) throws(Errno) {
        let number = inotify_init1(CInt(IN_CLOEXEC) | CInt(IN_NONBLOCK))
        guard number >= 0 else { throw .current }
        let watch = FileDescriptor(owning: number)
        let mask =
            IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO
            | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF
        guard unsafe inotify_add_watch(number, path, UInt32(mask)) >= 0 else { throw .current }
        descriptor = watch
    }

    /// Forgets what was reported. Read the file again afterwards, whatever it was.
    public func clear() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while unsafe read(descriptor.number, &buffer, buffer.count) > 0 {}
    }
}
