import CLinux
import Glibc

/// A thread of its own, for a loop or the log writer.
public enum Thread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Starts `body` on a new thread that is never joined.
    ///
    /// All signals are blocked in it: the control plane takes them from its signalfd.
    ///
    /// - Parameter name: at most 15 bytes are kept by the kernel.
    public static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(Errno) {
        let work = Work {
            unsafe linux_set_name(name)
            body()
        }
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(work).toOpaque()
        let status = unsafe pthread_create(
            &thread, nil,
            { context in
                // Safe: retained above for this one thread.
                unsafe Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, context)
        guard status == 0 else {
            unsafe Unmanaged<Work>.fromOpaque(context).release()
            throw Errno(code: status)
        }
        pthread_detach(thread)
    }
}
