/// The keys of one kind of map: what may stand where. The one table behind unknown keys,
/// suggestions and refusals.
struct Shape: Sendable {
    struct Key: Sendable {
        enum Support: Sendable {
            case full
            /// Known, but not built yet. The words are values that describe what the program
            /// does anyway, so they may stay.
            case none(accepting: [String])
            /// Known, and refused in labels of containers: who may start one is not who decides
            /// about security and about files of this host.
            case fileOnly
        }

        let name: String
        let support: Support
        /// The shape of its value, or of the members of its value; for suggestions one level
        /// down.
        let inner: Name?
    }

    enum Name: String, Sendable, CaseIterable {
        case root, listener, listenerTimeouts, listenerLimits, listenerHeaders, listenerPaths
        case route, redirect, respond, headerChanges, headerNames
        case defaults, service, server, balance, health, outliers, retries, timeouts, limits
        case connections, process, log, accessLog, admin, tls, certificate, serverTLS
        case discover, docker, dns, etcd, serverFile, catalogue, catalogueDocker, labels, labelTLS
    }

    let name: Name
    /// The shape one level up.
    let outer: Name?
    let keys: [Key]

    func key(_ name: String) -> Key? { keys.first { $0.name == name } }

    static func named(_ name: Name) -> Shape {
        switch name {
        case .root: root
        case .listener: listener
        case .listenerTimeouts: listenerTimeouts
        case .listenerLimits: listenerLimits
        case .listenerHeaders: listenerHeaders
        case .listenerPaths: listenerPaths
        case .route: route
        case .redirect: redirect
        case .respond: respond
        case .headerChanges: headerChanges
        case .headerNames: headerNames
        case .defaults: defaults
        case .service: service
        case .server: server
        case .balance: balance
        case .health: health
        case .outliers: outliers
        case .retries: retries
        case .timeouts: timeouts
        case .limits: limits
        case .connections: connections
        case .process: process
        case .log: log
        case .accessLog: accessLog
        case .admin: admin
        case .tls: tls
        case .certificate: certificate
        case .serverTLS: serverTLS
        case .discover: discover
        case .docker: docker
        case .catalogue: catalogue
        case .catalogueDocker: catalogueDocker
        case .labels: labels
        case .labelTLS: labelTLS
        case .dns: dns
        case .etcd: etcd
        case .serverFile: serverFile
        }
    }

    private init(_ name: Name, in outer: Name?, _ keys: [Key]) {
        self.name = name
        self.outer = outer
        self.keys = keys
    }

    private static func yes(_ name: String, _ inner: Name? = nil) -> Key {
        Key(name: name, support: .full, inner: inner)
    }
    private static func fileOnly(_ name: String) -> Key {
        Key(name: name, support: .fileOnly, inner: nil)
    }
    private static func no(_ name: String, but accepted: String...) -> Key {
        Key(name: name, support: .none(accepting: accepted), inner: nil)
    }

    // MARK: - The table

    private static let root = Shape(
        .root, in: nil,
        [
            yes("version"), yes("listen"), yes("servers", .server), yes("health", .health),
            yes("balance", .balance), yes("listeners", .listener), yes("routes", .route),
            yes("defaults", .defaults), yes("services", .service),
            yes("discover", .catalogue), yes("process", .process),
            yes("log", .log), yes("access_log", .accessLog), yes("admin", .admin),
            no("metrics", but: "off"), no("tracing", but: "off"), no("state", but: "off"),
        ])
    private static let listener = Shape(
        .listener, in: .root,
        [
            yes("address"), yes("socket_mode"), yes("redirect"), yes("protocols"), yes("service"),
            yes("routes"), yes("proxy_protocol"),
            yes("trusted_proxies"), yes("tls", .tls), yes("timeouts", .listenerTimeouts),
            yes("limits", .listenerLimits), yes("headers", .listenerHeaders),
            yes("paths", .listenerPaths),
        ])
    private static let listenerTimeouts = Shape(
        .listenerTimeouts, in: .listener,
        [yes("handshake"), yes("header"), yes("idle"), yes("read"), yes("write")])
    private static let listenerLimits = Shape(
        .listenerLimits, in: .listener,
        [
            yes("connections"), yes("connections_per_client"), yes("request_line"),
            yes("header_size"), yes("header_count"), yes("body_size"), yes("h2_streams"),
            no("rate", but: "off"),
        ])
    private static let listenerHeaders = Shape(
        .listenerHeaders, in: .listener,
        [
            yes("forwarded"), yes("request_id"), yes("proxy_status"), yes("server_timing"),
            yes("server"),
        ])
    private static let listenerPaths = Shape(
        .listenerPaths, in: .listener, [yes("merge_slashes"), yes("ambiguous")])
    private static let route = Shape(
        .route, in: .root,
        [
            yes("host"), yes("path"), yes("methods"), yes("headers"), yes("service"),
            yes("redirect", .redirect), yes("respond", .respond), yes("strip_prefix"),
            yes("set_headers", .headerChanges), yes("remove_headers", .headerNames),
            yes("timeouts", .timeouts), yes("retries", .retries), no("name"),
            no("path_regex"), no("query"), no("listeners"), no("rewrite"), no("access_log"),
        ])
    private static let redirect = Shape(.redirect, in: .route, [yes("to"), yes("status")])
    private static let respond = Shape(
        .respond, in: .route, [yes("status"), yes("body"), yes("type")])
    private static let headerChanges = Shape(
        .headerChanges, in: .route, [yes("request"), yes("response")])
    private static let headerNames = Shape(
        .headerNames, in: .route, [yes("request"), yes("response")])
    private static let shared = [
        yes("balance", .balance), yes("health", .health), yes("outliers", .outliers),
        yes("when_all_down"), yes("retries", .retries), yes("timeouts", .timeouts),
        yes("limits", .limits), yes("connections", .connections),
        yes("protocol"), yes("tls", .serverTLS), yes("send_proxy_protocol"),
        yes("host"),
        no("sticky", but: "off"),
    ]
    private static let defaults = Shape(.defaults, in: .root, shared)
    private static let service = Shape(
        .service, in: .root,
        [yes("servers", .server), yes("version")] + shared + [
            yes("discover", .discover), no("canary", but: "off"), no("mirror", but: "off"),
        ])
    private static let server = Shape(
        .server, in: .service,
        [
            yes("address"), yes("name"), yes("weight"), yes("version"), yes("backup"),
            no("state", but: "ready"), no("requests", but: "off"), no("zone"),
        ])
    private static let balance = Shape(
        .balance, in: .service,
        [
            yes("strategy"), yes("key"), yes("choices"), yes("bounded_load"), yes("load_header"),
            yes("slow_start"), yes("panic_threshold"), yes("shadow"),
        ])
    private static let health = Shape(
        .health, in: .service,
        [
            yes("path"), yes("interval"), yes("timeout"), yes("up_after"), yes("down_after"),
            yes("before_traffic"), yes("status"), yes("body"), yes("host"), yes("port"),
            yes("grpc"), no("method", but: "GET"), no("weight_header", but: "off"),
        ])
    private static let outliers = Shape(
        .outliers, in: .service, [yes("errors"), yes("eject"), yes("max_ejected")])
    private static let retries = Shape(
        .retries, in: .service,
        [
            yes("attempts"), yes("when"), yes("methods"), yes("budget"), yes("backoff"),
            yes("buffer"), no("per_try", but: "off"),
        ])
    private static let timeouts = Shape(
        .timeouts, in: .service,
        [
            yes("connect"), yes("response"), yes("idle"), yes("total"), yes("tunnel"),
            yes("queue"), yes("drain"),
        ])
    private static let limits = Shape(
        .limits, in: .service, [yes("requests_per_server"), yes("queue")])
    private static let connections = Shape(
        .connections, in: .service,
        [yes("idle_per_server"), yes("idle"), yes("max_age"), yes("max_requests")])
    private static let process = Shape(
        .process, in: .root,
        [
            yes("workers"), yes("shutdown"), yes("nameservers"), yes("absent_after"), no("user"),
            no("group"),
        ])
    private static let log = Shape(
        .log, in: .root, [yes("level"), yes("format"), no("to", but: "stderr")])
    private static let accessLog = Shape(
        .accessLog, in: .root,
        [
            yes("mode"), yes("slow"), no("format", but: "json"), yes("to"),
            no("sample", but: "100%"), no("fields"), no("redact"),
        ])
    private static let admin = Shape(
        .admin, in: .root,
        [
            yes("socket"), yes("socket_mode"), no("http", but: "off"), no("socket_group"),
            no("http_access"), no("token_file"), no("dashboard", but: "off"),
        ])

    private static let tls = Shape(
        .tls, in: .listener,
        [
            yes("certificates", .certificate), yes("watch"), yes("min_version"),
            yes("ciphers"), yes("cipher_suites"), yes("groups"), yes("client_auth"),
            yes("client_ca"), yes("ocsp"), yes("session_tickets"), yes("strict_sni"),
        ])
    private static let discover = Shape(
        .discover, in: .service,
        [
            yes("docker", .docker), yes("when_lost"), yes("min_servers"), yes("dns", .dns),
            yes("etcd", .etcd), yes("file", .serverFile), no("kubernetes"),
        ])
    private static let docker = Shape(
        .docker, in: .discover,
        [
            yes("socket"), yes("label"), yes("port"), yes("network"), yes("version_from"),
            yes("allow_addresses"), yes("inspect"), yes("ca"), yes("cert"), yes("key"),
        ])
    private static let catalogue = Shape(
        .catalogue, in: .root, [yes("docker", .catalogueDocker)])
    private static let catalogueDocker = Shape(
        .catalogueDocker, in: .catalogue,
        [
            yes("socket"), yes("labels"), yes("network"), yes("version_from"),
            yes("allow_addresses"), yes("inspect"), yes("ca"), yes("cert"), yes("key"),
        ])
    /// What labels of a container may say, behind their prefix.
    private static let labels = Shape(
        .labels, in: nil,
        [
            yes("enable"), yes("service"), yes("port"), yes("scheme"), yes("network"),
            yes("address"), yes("weight"), yes("backup"), yes("version"), yes("docker_health"),
            yes("stop_signal"), yes("host"), yes("path"), yes("route"), yes("strip_prefix"),
            yes("drain"),
            yes("slow_start"), yes("balance", .balance), yes("health", .health),
            yes("outliers", .outliers), yes("when_all_down"), yes("retries", .retries),
            yes("timeouts", .timeouts), yes("limits", .limits),
            yes("connections", .connections), yes("protocol"), yes("tls", .labelTLS),
            yes("rule"), yes("priority"), yes("listener"), no("sticky"), no("canary"),
            fileOnly("trusted_proxies"), fileOnly("proxy_protocol"),
            fileOnly("send_proxy_protocol"), fileOnly("headers"), fileOnly("forwarded"),
            fileOnly("client_auth"), fileOnly("client_ca"), fileOnly("allow_addresses"),
        ])
    private static let labelTLS = Shape(
        .labelTLS, in: .labels,
        [
            yes("server_name"), fileOnly("verify"), fileOnly("ca"), fileOnly("cert"),
            fileOnly("key"), fileOnly("pins"),
        ])
    private static let dns = Shape(
        .dns, in: .discover,
        [yes("name"), yes("port"), yes("type"), yes("refresh"), yes("nameservers")])
    private static let etcd = Shape(
        .etcd, in: .discover,
        [
            yes("endpoints"), yes("prefix"), yes("user"), yes("password"), yes("tls", .serverTLS),
            yes("snapshot"),
        ])
    private static let serverFile = Shape(.serverFile, in: .discover, [yes("path")])
    private static let certificate = Shape(.certificate, in: .tls, [yes("cert"), yes("key")])
    private static let serverTLS = Shape(
        .serverTLS, in: .service,
        [
            yes("verify"), yes("ca"), yes("server_name"), yes("cert"), yes("key"), yes("pins"),
        ])

    // MARK: - Suggestions

    /// Where an unknown key was meant to be: a word to write instead, or a level to move to.
    ///
    /// - Parameter parent: the key whose value this map is.
    func suggestion(for word: String, parent: String?) -> String {
        // Not ``meant(by:)``: what stands one level up or down comes before words of others.
        if let near = Spelling.nearest(to: word, among: keys.map(\.name)) {
            return "did you mean '\(near)'?"
        }
        for key in keys {
            if let inner = key.inner, Shape.named(inner).key(word) != nil {
                return "'\(word)' belongs under '\(key.name)'"
            }
        }
        if let outer, Shape.named(outer).key(word) != nil {
            return "'\(word)' belongs one level up" + (parent.map { ", beside '\($0)'" } ?? "")
        }
        if let known = Self.foreignWords[word], key(known) != nil {
            return "the word here is '\(known)'"
        }
        let supported = keys.filter { if case .full = $0.support { true } else { false } }
        return "the keys here are \(Spelling.list(supported.map(\.name), "and"))"
    }

    /// The key that an unknown word was probably meant to be.
    func meant(by word: String) -> String? {
        if let near = Spelling.nearest(to: word, among: keys.map(\.name)) { return near }
        return Self.foreignWords[word].flatMap { key($0)?.name }
    }

    /// What to do without a part that is not built yet, where there is more to say than to
    /// remove it.
    static func wayOut(without key: String) -> String? {
        switch key {
        case "metrics", "tracing", "state": "remove it, or write '\(key): off'"
        case "path_regex": "use 'path: /prefix/*'"
        default: nil
        }
    }

    /// Words of other proxies.
    private static let foreignWords = [
        "backends": "services", "upstreams": "services", "clusters": "services",
        "pools": "services", "frontends": "listeners", "entrypoints": "listeners",
        "entryPoints": "listeners", "bind": "listen", "targets": "servers",
        "endpoints": "servers", "upstream": "service", "backend": "service",
        "cluster": "service", "url": "address", "healthcheck": "health",
        "health_check": "health", "healthCheck": "health", "lb_policy": "balance",
        "load_balancing": "balance", "algorithm": "strategy", "policy": "strategy",
        "prefix": "path", "location": "path", "read_timeout": "response", "rise": "up_after",
        "fall": "down_after",
    ]
}
