import CLinux
import Glibc

/// The signals that mean something to a server.
public enum Signal: Sendable, Equatable, BitwiseCopyable {
    /// SIGHUP: read the configuration again.
    case hangUp
    /// SIGINT, SIGTERM, SIGQUIT: stop.
    case interrupt, terminate, quit
    /// SIGUSR1: open the log files again.
    case reopen
    /// SIGUSR2.
    case second
    /// SIGCHLD: as process 1, orphans become ours.
    case childEnded

    fileprivate static let numbers: [(Signal, CInt)] = [
        (.hangUp, SIGHUP), (.interrupt, SIGINT), (.terminate, SIGTERM), (.reopen, SIGUSR1),
        (.quit, SIGQUIT), (.second, SIGUSR2), (.childEnded, SIGCHLD),
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
    /// A child that has ended.
    public struct Ended: Equatable, Sendable {
        public var process: Int32
        /// As a shell tells it: the exit status, or 128 and the signal.
        public var status: Int32
    }

    /// Takes the next child that has ended, whoever made it; `nil` when there is none.
    public static func takeEnded() -> Ended? {
        var status: CInt = 0
        let process = unsafe waitpid(-1, &status, WNOHANG)
        guard process > 0 else { return nil }
        let signal = status & 0x7F
        return Ended(
            process: process, status: signal == 0 ? status >> 8 & 0xFF : 128 + signal)
    }

    /// Starts a program as a shell would: found on the path, with its signals as they are by
    /// default, with our own streams and environment.
    ///
    /// - Returns: its process identifier.
    /// - Throws: why there is no such program or process.
    public static func start(_ words: [String]) throws(Errno) -> Int32 {
        try spawn(words, log: nil)
    }

    /// The same with nothing to read, what it says at the end of a file, and in a group of its
    /// own: an interrupt from the terminal is for us alone. Where util-linux is installed, it is
    /// sent SIGTERM when the calling thread ends, however that ends.
    public static func start(_ words: [String], log: String) throws(Errno) -> Int32 {
        let binder = "/usr/bin/setpriv"
        let isBound = unsafe access(binder, X_OK) == 0
        return try spawn((isBound ? [binder, "--pdeathsig", "TERM", "--"] : []) + words, log: log)
    }

    /// Whether a child of ours still runs; one that has ended is taken.
    public static func isRunning(_ process: Int32) -> Bool {
        waitpid(process, nil, WNOHANG) == 0
    }

    /// Ends a child at once.
    public static func kill(_ process: Int32) { _ = Glibc.kill(process, SIGKILL) }

    private static func spawn(_ words: [String], log: String?) throws(Errno) -> Int32 {
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        if let log {
            let flags = O_WRONLY | O_CREAT | O_APPEND
            unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            unsafe posix_spawn_file_actions_addopen(&actions, 1, log, flags, 0o600)
            unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        var (none, all) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&none)
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        let group = log == nil ? 0 : POSIX_SPAWN_SETPGROUP
        unsafe posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group))
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe []
        for word in words { unsafe arguments.append(strdup(word)) }
        unsafe arguments.append(nil)
        defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
        var process: pid_t = 0
        let status = unsafe posix_spawnp(
            &process, words.first ?? "", &actions, &attributes, arguments, Glibc.environ)
        guard status == 0 else { throw Errno(code: status) }
        return process
    }

    /// Takes the exit status of every child that has ended, so that none stays as a zombie.
    public static func reap() {
        while waitpid(-1, nil, WNOHANG) > 0 {}
    }
}
