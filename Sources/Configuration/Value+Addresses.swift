/// Addresses from raw text.
extension Value {
    /// `8080`, `:8080`, `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/web.sock`. Without a host:
    /// all IPv4 addresses.
    static func listenAddress(_ text: String) -> Parsed<ListenAddress> {
        if let path = unixPath(text) { return path.map { .unix(path: $0) } }
        return hostAndPort(text, defaultHost: "0.0.0.0").flatMap { host, port in
            if host == "*" { return .success(.tcp(host: "0.0.0.0", port: port)) }
            if host.lowercased() == "localhost" {
                return .success(.tcp(host: "127.0.0.1", port: port))
            }
            guard
                let address = NumericAddress.version4(host[...])
                    ?? NumericAddress.version6(host[...])
            else {
                return .failure(
                    ValueMistake(
                        .badAddress, "is not an address to listen on: its host must be numeric",
                        help: "write '\(port)' for all addresses of this machine, or "
                            + "'127.0.0.1:\(port)'"))
            }
            return .success(.tcp(host: address.description, port: port))
        }
    }

    /// `3001`, `:3001`, `app-1:3000`, `10.0.0.11:3000`, `[::1]:3001`, `unix:/run/app.sock`.
    /// Without a host: this one.
    static func serverAddress(_ text: String) -> Parsed<ServerAddress> {
        if let path = unixPath(text) { return path.map { ServerAddress(unixPath: $0) } }
        if text.hasPrefix("https://") {
            return secureServerAddress(text.dropFirst(8))
        }
        if text.hasPrefix("http://") {
            let bare = text.dropFirst(7).prefix { $0 != "/" }
            return .failure(
                ValueMistake(
                    .badAddress, "is a URL, and an address is wanted",
                    help: "write '\(bare.contains(":") ? "\(bare)" : "\(bare):80")'"))
        }
        return hostAndPort(text, defaultHost: "127.0.0.1").flatMap { host, port in
            if let address = NumericAddress.version4(host[...])
                ?? NumericAddress.version6(host[...])
            {
                return .success(ServerAddress(host: address.description, port: port))
            }
            return hostName(host).map { ServerAddress(host: $0, port: port) }
        }
    }

    /// What stands behind `https://`: the port may be left out, a path may not be there.
    private static func secureServerAddress(_ text: Substring) -> Parsed<ServerAddress> {
        let bare = text.hasSuffix("/") ? text.dropLast() : text
        guard !bare.contains("/"), !bare.isEmpty, !bare.hasPrefix("unix:") else {
            return .failure(
                ValueMistake(
                    .badAddress, "is not the address of a server: nothing may follow its port",
                    help: "write 'https://\(bare.prefix { $0 != "/" })'"))
        }
        let host =
            bare.hasPrefix("[")
            ? bare[bare.index(after: bare.lastIndex(of: "]") ?? bare.startIndex)...] : bare
        let whole = host.contains(":") ? String(bare) : "\(bare):443"
        return serverAddress(whole).map { address in
            var address = address
            address.isSecure = true
            return address
        }
    }

    /// `"0660"`: who may open a file.
    static func fileMode(_ text: String) -> Parsed<UInt16> {
        guard text.utf8.count == 4, text.hasPrefix("0"), let mode = UInt16(text, radix: 8) else {
            return .failure(
                ValueMistake(
                    .wrongType, "is not a file mode",
                    help: "write four octal digits, such as \"0660\""))
        }
        return .success(mode)
    }

    /// The path of a Unix socket, or what is wrong with it; `nil` for another address.
    private static func unixPath(_ text: String) -> Parsed<String>? {
        guard text.hasPrefix("unix:") || text.hasPrefix("/") else { return nil }
        let path = String(text.hasPrefix("unix:") ? text.dropFirst(5) : text[...])
        func mistake(_ sentence: String, _ help: String) -> Parsed<String> {
            .failure(ValueMistake(.badAddress, sentence, help: help))
        }
        guard text.hasPrefix("unix:") else {
            return mistake("is a path, and an address is wanted", "write 'unix:\(path)'")
        }
        guard path.hasPrefix("/") || path.hasPrefix("@"), path.utf8.count > 1 else {
            return mistake(
                "is not a Unix socket: its path must begin with '/'",
                "write 'unix:/run/app.sock', or 'unix:@name' for a name without a file")
        }
        // sun_path has 108 bytes, one of them for the zero at its end (unix(7)).
        guard path.utf8.count <= 107 else {
            return mistake(
                "is too long: the path of a Unix socket has at most 107 bytes",
                "choose a shorter path")
        }
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            return mistake(
                "is not a Unix socket: its path has a blank or a control character",
                "choose another path")
        }
        return .success(path)
    }

    private static func hostAndPort(
        _ text: String, defaultHost: String
    ) -> Parsed<(host: String, port: UInt16)> {
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), !text.isEmpty {
            return addressPort(text[...]).map { (defaultHost, $0) }
        }
        if text.hasPrefix("-"), text.dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return addressPort(text[...]).map { (defaultHost, $0) }
        }
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]"),
                NumericAddress.version6(text[..<close].dropFirst()) != nil
            else {
                return .failure(
                    ValueMistake(
                        .badAddress,
                        "is not an address: no IPv6 address stands between '[' and ']'",
                        help: "write it as '[::1]:3001'"))
            }
            let host = String(text[..<close].dropFirst())
            let rest = text[text.index(after: close)...]
            guard rest.hasPrefix(":") else { return .failure(missingPort("[\(host)]")) }
            return addressPort(rest.dropFirst()).map { (host, $0) }
        }
        let colonCount = text.utf8.count { $0 == 0x3A }
        if colonCount > 1 {
            if NumericAddress.version6(text[...]) != nil {
                return .failure(
                    ValueMistake(
                        .badAddress, "has no port, or no brackets around its IPv6 address",
                        help: "write '[\(text)]:3001', with the port behind the brackets"))
            }
            return .failure(
                ValueMistake(
                    .badAddress, "is not an address",
                    help: "write 3001, 10.0.0.11:3000, app-1:3000 or [::1]:3001"))
        }
        guard let colon = text.firstIndex(of: ":") else {
            return .failure(missingPort(text))
        }
        let host = String(text[..<colon])
        return addressPort(text[text.index(after: colon)...]).map {
            (host.isEmpty ? defaultHost : host, $0)
        }
    }

    private static func missingPort(_ host: String) -> ValueMistake {
        ValueMistake(.badAddress, "has no port", help: "write '\(host):3000', with its port")
    }

    private static func addressPort(_ text: Substring) -> Parsed<UInt16> {
        switch port(String(text)) {
        case .success(let port): .success(port)
        case .failure(let mistake):
            .failure(
                ValueMistake(
                    mistake.code == .wrongType ? .badAddress : mistake.code,
                    mistake.code == .outOfRange
                        ? "is out of range: a port is a number from 1 to 65535"
                        : "is not an address: '\(text)' is not a port",
                    help: "write a port from 1 to 65535, such as 3001 or app-1:3000"))
        }
    }

    /// A name that could be in the DNS, in lower case and without a dot at the end.
    static func hostName(_ text: String) -> Parsed<String> {
        let name = text.hasSuffix(".") ? text.dropLast() : text[...]
        if name.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E }) {
            return .failure(
                ValueMistake(
                    .badHost, "is not an IPv4 address",
                    help: "write four numbers from 0 to 255, such as 10.0.0.11"))
        }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let isName =
            name.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && !label.hasPrefix("-")
                    && !label.hasSuffix("-")
                    && label.utf8.allSatisfy { byte in
                        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
                            || byte == 0x2D || byte == 0x5F
                    }
            }
        guard isName else {
            return .failure(
                ValueMistake(
                    .badHost, "is not a host name",
                    help: "use letters, digits, '-' and dots, such as app-1.internal"))
        }
        return .success(name.lowercased())
    }

    /// `10.0.0.0/8`, `2001:db8::/32`, or one address.
    static func addressRange(_ text: String) -> Parsed<AddressRange> {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let host = parts.first ?? ""
        guard let address = NumericAddress.version4(host) ?? NumericAddress.version6(host) else {
            return .failure(
                ValueMistake(
                    .badAddress, "is not a block of addresses",
                    help: "write an address and the number of its fixed bits, such as 10.0.0.0/8"))
        }
        let width = address.isVersion4 ? 32 : 128
        var fixedBitCount = width
        if parts.count == 2 {
            guard case .success(let count) = integer(String(parts[1]), in: 0...width) else {
                return .failure(
                    ValueMistake(
                        .outOfRange, "does not end with a number of bits",
                        help: "write a number from 0 to \(width) behind the '/'"))
            }
            fixedBitCount = count
        }
        let prefixBitCount = fixedBitCount + 128 - width
        let (high, low) = masked(address, to: prefixBitCount)
        guard high == address.high, low == address.low else {
            let network = NumericAddress(high: high, low: low, isVersion4: address.isVersion4)
            return .failure(
                ValueMistake(
                    .badAddress, "has bits set behind the first \(fixedBitCount)",
                    help: "write '\(network.description)/\(fixedBitCount)'"))
        }
        return .success(
            AddressRange(high: high, low: low, prefixBitCount: prefixBitCount, text: text))
    }

    private static func masked(
        _ address: NumericAddress, to bitCount: Int
    ) -> (high: UInt64, low: UInt64) {
        let highMask: UInt64 =
            bitCount >= 64 ? .max : bitCount == 0 ? 0 : ~0 << UInt64(64 - bitCount)
        let lowMask: UInt64 =
            bitCount == 128 ? .max : bitCount <= 64 ? 0 : ~0 << UInt64(128 - bitCount)
        var low = address.low & lowMask
        // The mark of an IPv4-mapped address is never masked away: at least 96 bits are fixed.
        if address.isVersion4, bitCount <= 96 { low = 0xFFFF << 32 }
        return (address.high & highMask, low)
    }
}
