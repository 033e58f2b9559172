import CCAres
import CLinux
import Glibc
public import Linux
public import Timing

/// Asks name servers without waiting: c-ares, whose sockets sit in an epoll of its own.
///
/// Whoever has a loop watches ``descriptor`` level-triggered and calls ``proceed()`` when it is
/// readable or when ``timeout`` has passed; then ``takeAnswers()`` has what came. The hosts file,
/// search domains, several name servers and large answers over TCP are c-ares' business.
///
/// A class, because the library keeps its address. Not `Sendable`: one thread uses it.
///
/// ## Invariants
///
/// - The library calls back only from within `ask`, `proceed` and `deinit`. A callback writes
///   down what it was told, or asks once more, and returns.
/// - Each ``Call`` is retained by the library from its question to its one callback, which comes
///   at the latest from `ares_destroy`.
@safe public final class Resolver {
    public struct Settings: Hashable, Sendable {
        /// Whom to ask, as `host:port`; empty for those of `/etc/resolv.conf`.
        public var nameServers: [String] = []
        /// How long one name server has the first time; doubled for each round.
        public var patience = Interval.seconds(2)
        /// Rounds over all name servers.
        public var tries = 2

        public init() {}
    }

    /// Stands for a question until its answer is taken.
    public struct Ticket: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    public typealias Answer = Result<Records, ResolvingFailure>

    /// Readable when the library has something to do.
    public let descriptor: FileDescriptor
    private var channel: ares_channel?
    private var lastTicket: UInt64 = 0
    private var answers: [(Ticket, Answer)] = []
    /// Questions without an answer yet.
    public private(set) var openCount = 0

    /// - Throws: what `epoll_create1(2)` says, or `EINVAL` for name servers that are no addresses.
    public init(_ settings: Settings = Settings()) throws(Errno) {
        // Counted by the library, and nothing else than its memory functions.
        guard ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS else {
            throw Errno(code: ENOMEM)
        }
        let number = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard number >= 0 else { throw .current }
        descriptor = FileDescriptor(owning: number)
        var options = unsafe ares_options()
        unsafe options.timeout = CInt(clamping: settings.patience.nanoseconds / 1_000_000)
        unsafe options.tries = CInt(clamping: settings.tries)
        unsafe options.sock_state_cb = socketChanged
        unsafe options.sock_state_cb_data = unsafe Unmanaged.passUnretained(self).toOpaque()
        let mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB
        let status = unsafe ares_init_options(&channel, &options, mask)
        guard status == ARES_SUCCESS else {
            throw Errno(code: status == ARES_ENOMEM ? ENOMEM : EINVAL)
        }
        guard !settings.nameServers.isEmpty else { return }
        let list = settings.nameServers.joined(separator: ",")
        guard unsafe ares_set_servers_ports_csv(channel, list) == ARES_SUCCESS else {
            throw Errno(code: EINVAL)
        }
    }

    deinit {
        // Every call that is open ends now, and its callback writes into nothing.
        if let channel = unsafe channel { unsafe ares_destroy(channel) }
    }

    // MARK: - Asking

    /// The answer comes with ``takeAnswers()``: perhaps already after this call.
    public func ask(_ question: Question) -> Ticket {
        lastTicket += 1
        let ticket = Ticket(number: lastTicket)
        openCount += 1
        let call = Call(ticket: ticket, resolver: self)
        if question.kind == .addresses {
            call.name = question.name
            call.confirmations = [AF_INET, AF_INET6]
        }
        let context = unsafe Unmanaged.passRetained(call).toOpaque()
        switch question.kind {
        case .services:
            unsafe ares_search(
                channel, question.name, CInt(ns_c_in.rawValue), CInt(ns_t_srv.rawValue),
                messageArrived, context)
        case .addresses: unsafe askForAddresses(question.name, AF_UNSPEC, context)
        case .ipv4: unsafe askForAddresses(question.name, AF_INET, context)
        case .ipv6: unsafe askForAddresses(question.name, AF_INET6, context)
        }
        return ticket
    }

    fileprivate func askForAddresses(
        _ name: String, _ family: CInt, _ context: UnsafeMutableRawPointer
    ) {
        var hints = ares_addrinfo_hints()
        hints.ai_family = family
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe ares_getaddrinfo(channel, name, nil, &hints, addressesArrived, context)
    }

    // MARK: - Going on

    /// How long nothing may be done at most; `nil` while no question is open.
    public var timeout: Interval? {
        var left = timeval()
        guard let next = unsafe ares_timeout(channel, nil, &left) else { return nil }
        let (seconds, micros) = unsafe (next.pointee.tv_sec, next.pointee.tv_usec)
        return Interval(nanoseconds: UInt64(clamping: seconds * 1_000_000_000 + micros * 1000))
    }

    /// Reads what has arrived, and gives up what took too long.
    public func proceed() {
        var events = unsafe [epoll_event](repeating: epoll_event(), count: 16)
        let count = unsafe epoll_wait(descriptor.number, &events, 16, 0)
        for index in 0..<max(0, Int(count)) {
            let bits = unsafe events[index].events
            let socket = unsafe events[index].data.fd
            let broken = EPOLLERR.rawValue | EPOLLHUP.rawValue
            let mayRead = bits & (EPOLLIN.rawValue | broken) != 0
            let mayWrite = bits & (EPOLLOUT.rawValue | broken) != 0
            unsafe ares_process_fd(
                channel, mayRead ? socket : ARES_SOCKET_BAD, mayWrite ? socket : ARES_SOCKET_BAD)
        }
        unsafe ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD)
    }

    /// What has come since the last time.
    public func takeAnswers() -> [(Ticket, Answer)] {
        defer { answers = [] }
        return answers
    }

    // MARK: - What the callbacks write down

    fileprivate func note(_ ticket: Ticket, _ answer: Answer) {
        openCount -= 1
        answers.append((ticket, answer))
    }

    fileprivate func watch(_ socket: ares_socket_t, _ interest: UInt32) {
        guard interest != 0 else {
            // The library closes it next.
            _ = epoll_ctl(descriptor.number, EPOLL_CTL_DEL, socket, nil)
            return
        }
        var event = unsafe epoll_event()
        unsafe event.events = interest
        unsafe event.data.fd = socket
        if unsafe epoll_ctl(descriptor.number, EPOLL_CTL_MOD, socket, &event) != 0 {
            unsafe _ = epoll_ctl(descriptor.number, EPOLL_CTL_ADD, socket, &event)
        }
    }

    /// One question under way. The resolver may end before it.
    fileprivate final class Call {
        let ticket: Ticket
        private weak var resolver: Resolver?
        /// Families that are asked one by one before it is believed that there is no address. Of
        /// both together the library tells the failure that came last: no record for the one
        /// hides that nobody could tell about the other.
        var confirmations: [CInt] = []
        var name = ""

        init(ticket: Ticket, resolver: Resolver) {
            self.ticket = ticket
            self.resolver = resolver
        }

        func end(_ answer: Answer) {
            guard let resolver else { return }
            if case .failure(let failure) = answer, failure.isAnswer, !confirmations.isEmpty {
                let family = confirmations.removeFirst()
                let context = unsafe Unmanaged.passRetained(self).toOpaque()
                unsafe resolver.askForAddresses(name, family, context)
                return
            }
            resolver.note(ticket, answer)
        }
    }
}

// MARK: - Callbacks

private let socketChanged: ares_sock_state_cb = { context, socket, readable, writable in
    guard let context = unsafe context else { return }
    // Safe: the channel, which calls this, is destroyed with the resolver.
    let resolver = unsafe Unmanaged<Resolver>.fromOpaque(context).takeUnretainedValue()
    let interest = (readable != 0 ? EPOLLIN.rawValue : 0) | (writable != 0 ? EPOLLOUT.rawValue : 0)
    resolver.watch(socket, interest)
}

private let messageArrived: ares_callback = { context, status, _, bytes, count in
    guard let context = unsafe context else { return }
    let call = unsafe Unmanaged<Resolver.Call>.fromOpaque(context).takeRetainedValue()
    guard status == ARES_SUCCESS, let bytes = unsafe bytes else {
        return call.end(.failure(ResolvingFailure(status)))
    }
    let message = unsafe Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
    guard let records = ServiceMessage(message) else {
        return call.end(.failure(ResolvingFailure(ARES_EBADRESP)))
    }
    guard !records.services.isEmpty else {
        return call.end(.failure(ResolvingFailure(ARES_ENODATA)))
    }
    call.end(.success(.services(records)))
}

private let addressesArrived: ares_addrinfo_callback = { context, status, _, list in
    guard let context = unsafe context else { return }
    let call = unsafe Unmanaged<Resolver.Call>.fromOpaque(context).takeRetainedValue()
    defer { unsafe ares_freeaddrinfo(list) }
    guard status == ARES_SUCCESS, let list = unsafe list else {
        return call.end(.failure(ResolvingFailure(status)))
    }
    let records = unsafe AddressList.records(of: list)
    call.end(
        records.isEmpty
            ? .failure(ResolvingFailure(ARES_ENODATA)) : .success(.addresses(records)))
}
