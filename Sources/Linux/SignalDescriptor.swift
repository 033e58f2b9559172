import CLinux
import Glibc

/// The signals that mean something to a server.
public enum Signal: Sendable, Equatable, BitwiseCopyable {
    /// SIGHUP: read the configuration again.
    case hangUp
    /// SIGINT, SIGTERM: stop.
    case interrupt, terminate
    /// SIGUSR1: open the log files again.
    case reopen
    /// SIGCHLD: as process 1, orphans become ours.
    case childEnded

    fileprivate static let numbers: [(Signal, CInt)] = [
        (.hangUp, SIGHUP), (.interrupt, SIGINT), (.terminate, SIGTERM), (.reopen, SIGUSR1),
        (.childEnded, SIGCHLD),
    ]

    /// Makes signals wait for a ``SignalDescriptor``, in this thread and those that it starts
    /// from now on. A thread that was started before would still be killed by them.
    public static func hold() throws(Errno) {
        var set = all()
        let status = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        guard status == 0 else { throw Errno(code: status) }
    }

    fileprivate static func all() -> sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for (_, number) in numbers { unsafe sigaddset(&set, number) }
        return set
    }

    /// Sends the signal to a process.
    public func send(to process: Int32) throws(Errno) {
        guard let number = Self.numbers.first(where: { $0.0 == self })?.1 else { return }
        guard kill(process, number) == 0 else { throw .current }
    }

    /// Writing to a connection that the peer has closed is an error then, and not the end of
    /// the process.
    public static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }
}

/// A signalfd: signals arrive as events of a loop, in no handler.
///
/// Make it before the first thread is started. The signals are blocked in the calling thread,
/// and threads inherit that, so this descriptor is the only place where they arrive.
public struct SignalDescriptor: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    public init() throws(Errno) {
        try Signal.hold()
        var set = Signal.all()
        let number = unsafe signalfd(-1, &set, CInt(SFD_CLOEXEC) | CInt(SFD_NONBLOCK))
        guard number >= 0 else { throw .current }
        descriptor = FileDescriptor(owning: number)
    }

    /// The next signal that has arrived; `nil` when there is none.
    public func take() -> Signal? {
        while true {
            var info = signalfd_siginfo()
            let size = MemoryLayout<signalfd_siginfo>.size
            let count = unsafe read(descriptor.number, &info, size)
            guard count == size else { return nil }
            let number = CInt(bitPattern: info.ssi_signo)
            if let signal = Signal.numbers.first(where: { $0.1 == number })?.0 { return signal }
        }
    }
}

/// Children that ended.
public enum Children {
    /// Takes the exit status of every child that has ended, so that none stays as a zombie.
    public static func reap() {
        while waitpid(-1, nil, WNOHANG) > 0 {}
    }
}
