import CLinux
import Glibc

extension File {
    /// Gives a file another content, at once: whoever reads it finds the old one or the new one,
    /// also after a power failure.
    public static func replace(_ path: String, with bytes: [UInt8]) throws(Errno) {
        let draft = "\(path).new"
        let number = unsafe linux_open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard number >= 0 else { throw .current }
        let descriptor = FileDescriptor(owning: number)
        try descriptor.writeAll(bytes)
        guard fdatasync(descriptor.number) == 0 else { throw .current }
        guard unsafe rename(draft, path) == 0 else { throw .current }
    }
}
