import Linux
import Memory

// The one door between exchanges and sockets: how the bytes of a connection travel is decided
// here, so that nothing above it knows.
extension Worker where Kernel: ~Copyable {
    /// Reads into the client's input, which must have room.
    mutating func receive(_ client: Client, atMost limit: Int = .max) -> Transfer {
        receive(
            client.value.socket, client.value.link, &client.value.ready,
            into: &client.value.input, atMost: limit)
    }

    /// Reads into the input of a server's connection, which must have room.
    mutating func receive(_ server: Server) -> Transfer {
        receive(
            server.value.socket, server.value.link, &server.value.ready,
            into: &server.value.input, atMost: .max)
    }

    mutating func send(_ client: Client, _ bytes: RawSpan) -> Transfer {
        send(client.value.socket, client.value.link, bytes)
    }

    /// Sends two pieces in order, with one call where that is possible.
    mutating func send(_ client: Client, _ first: RawSpan, _ second: RawSpan) -> Transfer {
        send(client.value.socket, client.value.link, first, second)
    }

    mutating func send(_ server: Server, _ bytes: RawSpan) -> Transfer {
        send(server.value.socket, server.value.link, bytes)
    }

    mutating func send(_ server: Server, _ first: RawSpan, _ second: RawSpan) -> Transfer {
        send(server.value.socket, server.value.link, first, second)
    }

    // MARK: - By kind

    /// Reads, and takes note when there is nothing more to be read for now.
    mutating func receive(
        _ socket: borrowing FileDescriptor, _ link: Link, _ ready: inout Readiness,
        into buffer: inout Buffer, atMost limit: Int
    ) -> Transfer {
        switch link.kind {
        case .plain:
            let offered = min(buffer.room, limit)
            let result = kernel.receive(socket, into: &buffer, atMost: limit)
            switch result {
            case .bytes(let count):
                // A short read counts as wouldBlock, as epoll(7) allows for streams; but after
                // the peer has finished, no further edge will come for its end.
                if count < offered, !ready.contains(.peerFinished) { ready.remove(.readable) }
            case .wouldBlock:
                ready.remove(.readable)
            case .endOfStream, .failed:
                break
            }
            return result
        case .secure:
            return receiveSecure(socket, secure(link), &ready, into: &buffer, atMost: limit)
        case .stream:
            return receiveStream(stream(link), &ready, into: &buffer, atMost: limit)
        }
    }

    mutating func send(
        _ socket: borrowing FileDescriptor, _ link: Link, _ bytes: RawSpan
    ) -> Transfer {
        switch link.kind {
        case .plain: kernel.send(socket, bytes)
        case .secure: sendSecure(socket, secure(link), bytes, nil)
        case .stream: sendStream(stream(link), bytes, nil)
        }
    }

    mutating func send(
        _ socket: borrowing FileDescriptor, _ link: Link, _ first: RawSpan, _ second: RawSpan
    ) -> Transfer {
        switch link.kind {
        case .plain: kernel.send(socket, first, second)
        case .secure: sendSecure(socket, secure(link), first, second)
        case .stream: sendStream(stream(link), first, second)
        }
    }

    /// Says that nothing more will be sent; the other direction stays open.
    mutating func finishSending(_ socket: borrowing FileDescriptor, _ link: Link) {
        switch link.kind {
        case .plain:
            kernel.shutdownSending(socket)
        case .secure:
            finishSending(socket, secure(link))
        case .stream:
            finishSending(stream(link))
        }
    }
}
