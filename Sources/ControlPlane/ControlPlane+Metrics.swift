import Configuration
import DataPlane
import Discovery
import Memory
import Synchronization
import TLS
import Telemetry

/// `GET /metrics`: the numbers of status, and what the loops have counted, for Prometheus.
extension ControlPlane {
    private static let states = [
        "checking", "up", "warming", "failing", "down", "rising", "ejected", "maintenance",
        "draining",
    ]

    /// Calls `respond` when every loop has told its counters.
    func answerMetrics(_ respond: @escaping (AdminResponse) -> Void) {
        afterEveryLoop { [unowned self] in
            addUpReports()
            respond(AdminResponse(text: metricsPage(), contentType: MetricsText.contentType))
        }
    }

    private func metricsPage() -> String {
        var page = MetricsText()
        describeProcess(&page)
        describeListeners(&page)
        describeExchanges(&page)
        describeServices(&page)
        describeServers(&page)
        describeShadows(&page)
        return page.text
    }

    private func describeProcess(_ page: inout MetricsText) {
        page.begin("staithe_build_info", .gauge, "The version that runs; always 1.")
        page.sample(["version": options.version], 1)
        page.begin("staithe_config_generation", .gauge, "The configuration in force.")
        page.sample([:], generation)
        page.begin(
            "staithe_config_last_reload_success", .gauge,
            "0 while the file has mistakes, and an older one is in force.")
        page.sample([:], fileProblem == nil ? 1 : 0)
        page.begin("staithe_live_changes", .gauge, "Live changes that the file does not contain.")
        page.sample([:], live.count)
        page.begin("staithe_loops", .gauge, "Event loops.")
        page.sample([:], loopCount)
        page.begin(
            "staithe_access_log_lost_total", .counter, "Access records that could not be written.")
        page.sample([:], accessLog.lostCount)
    }

    private func describeListeners(_ page: inout MetricsText) {
        page.begin("staithe_connections", .gauge, "Open connections of clients.")
        for listener in listeners {
            page.sample(
                ["listener": listener.configuration.name],
                listenerCells[listener.id].connections.load(ordering: .relaxed))
        }
        page.begin(
            "staithe_certificate_expiry_timestamp_seconds", .gauge,
            "When a certificate ends, in seconds since 1970.")
        for listener in listeners {
            let name = listener.configuration.name
            for certificate in credentials.listeners[name]?.certificates ?? [] {
                page.sample(
                    ["listener": name, "name": certificate.names.first ?? certificate.file],
                    Int(certificate.notAfter))
            }
        }
    }

    /// What became of exchanges, over all loops.
    private func describeExchanges(_ page: inout MetricsText) {
        var sum = LoopCounters()
        for case .some(let report) in reports { sum.add(report.counters) }
        page.begin("staithe_connections_total", .counter, "Connections of clients, accepted.")
        page.sample([:], sum.acceptedConnections)
        page.begin(
            "staithe_connections_refused_total", .counter,
            "Connections of clients that were ended for a broken rule or a limit.")
        page.sample([:], sum.refusedConnections)
        page.begin("staithe_answers_total", .counter, "Answers to clients, by class of status.")
        for hundreds in 1...5 {
            page.sample(["code": "\(hundreds)xx"], sum.exchanges.count(ofClass: hundreds))
        }
        page.begin(
            "staithe_failures_total", .counter, "Answers that we, not the app, made, by reason.")
        for reason in Reason.allCases where reason.isFailure {
            page.sample(["reason": "\(reason.word)"], sum.exchanges.count(of: reason))
        }
        page.begin("staithe_retries_total", .counter, "Attempts after the first.")
        page.sample([:], sum.exchanges.retries)
        page.begin("staithe_received_bytes_total", .counter, "Content from clients.")
        page.sample([:], sum.exchanges.receivedBytes)
        page.begin("staithe_sent_bytes_total", .counter, "Content to clients.")
        page.sample([:], sum.exchanges.sentBytes)
    }

    private func describeServices(_ page: inout MetricsText) {
        page.begin("staithe_requests_total", .counter, "Requests for a service.")
        for service in services {
            page.sample(["service": service.name], service.traffic.requestCount)
        }
        page.begin(
            "staithe_service_failures_total", .counter,
            "Requests for a service that got an answer of ours, by reason.")
        for service in services {
            for reason in Reason.allCases where reason.isFailure {
                let count = service.traffic.failures.count(of: reason)
                guard count > 0 else { continue }
                page.sample(["service": service.name, "reason": "\(reason.word)"], count)
            }
        }
        page.begin(
            "staithe_request_duration_seconds", .histogram,
            "From the whole head of a request to the last byte of a server's answer.")
        for service in services {
            page.sample(["service": service.name], service.traffic.total)
        }
        page.begin("staithe_queue_depth", .gauge, "Requests that wait for a free server.")
        for service in services {
            page.sample(
                ["service": service.name],
                serviceCells[service.id].waiting.load(ordering: .relaxed))
        }
    }

    private func describeServers(_ page: inout MetricsText) {
        let answers = services.flatMap { service in
            zip(service.servers, serverAnswers(of: service))
                .map { (labels: labels(of: $0), answer: $1) }
        }
        func family(
            _ name: String, _ kind: MetricsText.Kind, _ help: String,
            _ value: (ServerAnswer) -> Int
        ) {
            page.begin(name, kind, help)
            for (labels, answer) in answers { page.sample(labels, value(answer)) }
        }
        family("staithe_server_answers_total", .counter, "Final answers of a server.") {
            $0.answers
        }
        family(
            "staithe_server_failures_total", .counter,
            "Attempts that failed, and answers of 500 and above."
        ) { $0.failed }
        family("staithe_requests_in_flight", .gauge, "Requests at a server now.") { $0.inFlight }
        family("staithe_server_weight", .gauge, "The configured weight.") { $0.weight }
        page.begin(
            "staithe_server_share_ratio", .gauge,
            "Share of the service's answers in the last second; none while it has no answers.")
        for (labels, answer) in answers {
            if let share = answer.share { page.sample(labels, share) }
        }
        page.begin(
            "staithe_server_expected_share_ratio", .gauge,
            "Share of the next requests, by weights, warming and health.")
        for (labels, answer) in answers { page.sample(labels, answer.expectedShare) }
        page.begin("staithe_server_state", .gauge, "1 for the state a server is in, else 0.")
        for (labels, answer) in answers {
            for state in Self.states {
                page.sample(
                    [
                        "service": labels[0].value, "server": labels[1].value,
                        "version": labels[2].value, "state": state,
                    ], answer.state == state ? 1 : 0)
            }
        }
    }

    /// What the strategies that run beside would have done; nothing where none does.
    private func describeShadows(_ page: inout MetricsText) {
        let shadows = services.compactMap { service in
            shadowAnswer(of: service).map { (service: service, shadow: $0) }
        }
        guard !shadows.isEmpty else { return }
        func labels(_ service: ServiceEntry, _ shadow: ServiceAnswer.Shadow) -> MetricsText.Labels {
            ["service": service.name, "strategy": shadow.strategy]
        }
        page.begin(
            "staithe_shadow_picks_total", .counter,
            "First attempts for which the shadow strategy chose as well.")
        for (service, shadow) in shadows { page.sample(labels(service, shadow), shadow.picks) }
        page.begin(
            "staithe_shadow_agreement_ratio", .gauge, "Share of those in which both chose alike.")
        for (service, shadow) in shadows { page.sample(labels(service, shadow), shadow.agreement) }
        page.begin(
            "staithe_shadow_difference_seconds", .gauge,
            "What an answer would have taken more with the shadow, by the servers' averages.")
        for (service, shadow) in shadows {
            guard let difference = shadow.differenceMs else { continue }
            page.sample(labels(service, shadow), difference / 1000)
        }
        page.begin(
            "staithe_shadow_server_share_ratio", .gauge,
            "Share of a server that the shadow would have given it, beside what it got.")
        for (service, shadow) in shadows {
            for share in shadow.shares {
                for (by, value) in [("shadow", share.shadow), ("balance", share.share)] {
                    page.sample(
                        [
                            "service": service.name, "strategy": shadow.strategy,
                            "server": share.id, "by": by,
                        ], value)
                }
            }
        }
    }

    private func labels(of server: ServerEntry) -> MetricsText.Labels {
        [
            "service": server.service.name, "server": server.id,
            "version": server.configuration.version ?? "",
        ]
    }
}
