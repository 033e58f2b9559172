/// The environment by which containers configure nginx-proxy: `VIRTUAL_HOST` and its kin.
enum NginxProxyVariables {
    private static let prefix = "com.github.nginx-proxy.nginx-proxy."

    /// What a container says, in our words; nothing when it does not speak to nginx-proxy.
    static func translated(_ facts: ContainerFacts) -> Translation {
        var translation = Translation()
        guard let hosts = facts.environment["VIRTUAL_HOST"] else { return translation }
        if facts.environment["NETWORK_ACCESS"] == "internal" {
            // To take it over without its guard would let in those whom it keeps out.
            translation.warn(
                "NETWORK_ACCESS=internal is not supported by this version, so it is left out",
                help: "put it behind a listener of its own")
            return translation
        }
        let spoken = facts.environment["VIRTUAL_PROTO"] ?? ""
        guard ["", "http", "https"].contains(spoken) else {
            // Its clients are not to be sent to it in the clear, or in another protocol.
            translation.warn("VIRTUAL_PROTO '\(spoken)' cannot be taken over, so it is left out")
            return translation
        }
        let names = readHosts(hosts, &translation)
        guard !names.isEmpty else {
            translation.warn("VIRTUAL_HOST names no host that can be used")
            return translation
        }
        // An empty variable says as much to nginx-proxy as none.
        let path = facts.environment["VIRTUAL_PATH"].flatMap { $0.isEmpty ? nil : $0 }
        translation.set("enable", "true")
        translation.set("host", names.joined(separator: ","))
        if let path { translation.set("path", path) }
        // Containers with the same host and path are one service.
        let first = names.sorted()[0]
        translation.set("service", ContainerReader.plain(first + (path ?? "")))
        readDestination(facts, &translation)
        if let port = facts.environment["VIRTUAL_PORT"], !port.isEmpty {
            translation.set("port", port)
        } else if facts.ports.count != 1 {
            translation.set("port", "80")
        }
        if spoken == "https" { translation.set("scheme", "https") }
        if facts.environment["CERT_NAME"] != nil {
            translation.warn("CERT_NAME has no effect: certificates are named by listeners")
        }
        readLabels(facts, &translation)
        return translation
    }

    private static func readHosts(_ text: String, _ translation: inout Translation) -> [String] {
        text.split(separator: ",").map { $0.filter { !$0.isWhitespace } }.filter { name in
            guard name.hasPrefix("~") || name.hasSuffix(".*") else { return !name.isEmpty }
            translation.warn(
                "VIRTUAL_HOST '\(name)' cannot be taken over",
                help: "write the hosts, or '*.example.com'")
            return false
        }
    }

    private static func readDestination(
        _ facts: ContainerFacts, _ translation: inout Translation
    ) {
        guard let destination = facts.environment["VIRTUAL_DEST"] else { return }
        guard destination == "/" || destination.isEmpty else {
            return translation.warn("VIRTUAL_DEST '\(destination)' cannot be taken over")
        }
        if destination == "/" { translation.set("strip-prefix", "true") }
    }

    private static func readLabels(_ facts: ContainerFacts, _ translation: inout Translation) {
        for (label, value) in facts.labels.sorted(by: { $0.key < $1.key })
        where label.hasPrefix(prefix) {
            let word = value.filter { $0 != ";" && !$0.isWhitespace }
            switch (label.dropFirst(prefix.count), word) {
            case ("loadbalance", "least_conn"): translation.set("balance", "least-requests")
            case ("loadbalance", "random"): translation.set("balance", "random")
            case ("loadbalance", "round_robin"): translation.set("balance", "round-robin")
            case ("keepalive", "disabled"): translation.set("connections.idle-per-server", "0")
            case ("keepalive", "auto"): break
            case ("keepalive", let count) where Int(count) != nil:
                translation.set("connections.idle-per-server", count)
            default: translation.warn("label '\(label)' with '\(value)' cannot be taken over")
            }
        }
    }
}
