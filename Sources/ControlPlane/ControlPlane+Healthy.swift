import Configuration

extension ControlPlane {
    /// `/healthz`: whether this process takes requests, whatever its servers do.
    func healthAnswer() -> HealthAnswer {
        if isStopping { return HealthAnswer(ok: false, sentence: "it is stopping") }
        guard isServing else {
            return HealthAnswer(ok: false, sentence: "the first checks of its servers are not over")
        }
        return HealthAnswer(ok: true, sentence: "it takes requests")
    }

    /// `/readyz`: whether each service has a server besides.
    func readinessAnswer() -> HealthAnswer {
        let health = healthAnswer()
        guard health.ok else { return health }
        let empty = services.filter { service in !service.servers.contains(where: \.isInRotation) }
        guard empty.isEmpty else {
            return HealthAnswer(
                ok: false,
                sentence: "no server takes requests for "
                    + empty.map(\.name).joined(separator: ", "))
        }
        return HealthAnswer(ok: true, sentence: "it takes requests, and every service has a server")
    }
}

extension AdminResponse {
    init(_ health: HealthAnswer) { self.init(health, status: health.ok ? 200 : 503) }
}
