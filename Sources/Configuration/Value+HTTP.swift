/// Names and values of HTTP from raw text.
extension Value {
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
                    || "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
    }

    /// RFC 9110 §5.6.2.
    static func headerName(_ text: String) -> Parsed<String> {
        guard text.utf8.count <= Bounds.headerName else {
            return .failure(
                ValueMistake(
                    .badHeader, "is not the name of a header: it is too long",
                    help: "use at most \(Bounds.headerName) characters"))
        }
        guard isToken(text) else {
            return .failure(
                ValueMistake(
                    .badHeader, "is not the name of a header",
                    help: "use letters, digits and '-', such as X-Frontend"))
        }
        return .success(text)
    }

    /// A header that a route may set or remove: not one of those that say how a message is
    /// framed, or that belong to a connection.
    static func changeableHeaderName(_ text: String) -> Parsed<String> {
        let owned = [
            "connection", "content-length", "host", "http2-settings", "keep-alive",
            "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
        ]
        if text.lowercased() == "host" {
            return .failure(
                ValueMistake(
                    .badHeader, "cannot be changed here",
                    help: "use 'host:' of the service: keep, server or a name"))
        }
        if owned.contains(text.lowercased()) {
            return .failure(
                ValueMistake(
                    .badHeader, "cannot be changed: staithe sets it to fit the connection",
                    help: "remove this line"))
        }
        return headerName(text)
    }

    /// Visible characters, spaces and tabs; never a line break (RFC 9110 §5.5).
    static func headerValue(_ text: String) -> Parsed<String> {
        let isClean = text.utf8.allSatisfy { $0 == 0x09 || $0 >= 0x20 && $0 != 0x7F }
        let isTrimmed = ![" ", "\t"].contains(where: { text.hasPrefix($0) || text.hasSuffix($0) })
        guard text.utf8.count <= Bounds.headerValue else {
            return .failure(
                ValueMistake(
                    .badHeader, "is not the value of a header: it is too long",
                    help: "write at most \(Bounds.headerValue) bytes"))
        }
        guard isClean, isTrimmed else {
            return .failure(
                ValueMistake(
                    .badHeader, "is not the value of a header",
                    help: "write one line without control characters and without spaces at its "
                        + "ends"))
        }
        return .success(text)
    }

    static func method(_ text: String) -> Parsed<String> {
        let known = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
        ]
        if known.contains(text) { return .success(text) }
        if known.contains(text.uppercased()) {
            return .failure(
                ValueMistake(
                    .badWord, "is not a method: methods are written in capitals",
                    help: "write '\(text.uppercased())'"))
        }
        guard isToken(text), text.utf8.count <= 32 else {
            return .failure(
                ValueMistake(
                    .badWord, "is not a method", help: "write \(Spelling.list(known))"))
        }
        if let near = Spelling.nearest(to: text, among: known) {
            return .failure(
                ValueMistake(.badWord, "is not a known method", help: "did you mean '\(near)'?"))
        }
        return .success(text)
    }

    /// What stands in a request line: `/` and visible characters.
    static func requestTarget(_ text: String) -> Parsed<String> {
        guard text.hasPrefix("/"), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x23 })
        else {
            return .failure(
                ValueMistake(
                    .badPath, "is not a path",
                    help: "begin it with '/', and write spaces and other signs as %20"))
        }
        return .success(text)
    }

    static func routeHost(_ text: String) -> Parsed<RouteConfiguration.Host> {
        if text == "*" { return .success(.any) }
        if text.hasPrefix("*.") {
            return hostName(String(text.dropFirst(2)))
                .map { .suffix("." + $0) }
                .mapError { _ in wildcardMistake }
        }
        if text.contains("*") { return .failure(wildcardMistake) }
        let numeric = text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : ""
        if let address = NumericAddress.version6(numeric) {
            return .success(.exact("[\(address.description)]"))
        }
        if let colon = text.firstIndex(of: ":") {
            return .failure(
                ValueMistake(
                    .badHost, "has a port, and hosts are compared without one",
                    help: "write '\(text[..<colon])'"))
        }
        if NumericAddress.version4(text[...]) != nil { return .success(.exact(text)) }
        return hostName(text).map { .exact($0) }
    }

    /// `true`, `off`, or the name of a gRPC service; empty stands for all that the server does.
    static func grpcService(_ text: String) -> Parsed<String?> {
        if isOff(text) || text == "false" { return .success(nil) }
        if text == "true" { return .success("") }
        guard (1...127).contains(text.utf8.count),
            text.utf8.allSatisfy({ byte in
                byte == 0x2E || byte == 0x5F || (0x30...0x39).contains(byte)
                    || (0x61...0x7A).contains(byte | 0x20)
            })
        else {
            return .failure(
                ValueMistake(
                    .badName, "is not the name of a gRPC service",
                    help: "write 'true' for the server as a whole, or a name such as shop.Cart"))
        }
        return .success(text)
    }

    private static let wildcardMistake = ValueMistake(
        .badHost, "is not a host: a '*' stands for whole labels at the beginning only",
        help: "write '*.example.com', or '*' for every host")

    /// `/api` is that path; `/api/*` is that path and everything below it.
    static func routePath(_ text: String) -> Parsed<RouteConfiguration.Path> {
        if text == "/*" || text == "*" { return .success(.any) }
        let isPrefix = text.hasSuffix("/*")
        let path = isPrefix ? String(text.dropLast(2)) : text
        guard path.hasPrefix("/") else {
            return .failure(
                ValueMistake(
                    .badPath, "is not a path: it does not begin with '/'",
                    help: "write '/\(text)'"))
        }
        if path.contains("*") {
            var base = path.prefix { $0 != "*" }
            while base.hasSuffix("/") { base.removeLast() }
            return .failure(
                ValueMistake(
                    .badPath, "is not a path: a '*' may only stand at the end, after a '/'",
                    help: "write '\(base)/*' for everything below '\(base)'"))
        }
        if path.contains("?") || path.contains("#") {
            let bare = path.prefix { $0 != "?" && $0 != "#" }
            return .failure(
                ValueMistake(
                    .badPath, "is not a path: the query is not part of it",
                    help: "write '\(bare)'"))
        }
        if path.split(separator: "/", omittingEmptySubsequences: false)
            .contains(where: { $0 == "." || $0 == ".." })
        {
            return .failure(
                ValueMistake(
                    .routeUnreachable,
                    "never matches: '.' and '..' are resolved before routes are looked up",
                    help: "write the path without them"))
        }
        let decoded = decodingUnreserved(path)
        if decoded != path {
            return .failure(
                ValueMistake(
                    .routeUnreachable,
                    "never matches: percent-encoded letters, digits and '-._~' are decoded before "
                        + "routes are looked up",
                    help: "write '\(decoded)\(isPrefix ? "/*" : "")'"))
        }
        return requestTarget(path).map { isPrefix ? .prefix($0) : .exact($0) }
    }

    /// The path with what ``PathNormalizer`` decodes (RFC 3986 §6.2.2.2).
    private static func decodingUnreserved(_ path: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(path.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), digits.utf8.count == 2, !digits.hasPrefix("+"),
                let decoded = UInt8(digits, radix: 16), isUnreserved(decoded)
            {
                bytes.append(decoded)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// RFC 3986 §2.3.
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
            || "-._~".utf8.contains(byte)
    }
}
