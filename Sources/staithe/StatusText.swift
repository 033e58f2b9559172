import ControlPlane

/// Status for people.
enum StatusText {
    static func text(_ status: StatusAnswer) -> String {
        var lines: [String] = []
        for service in status.services {
            lines.append(line(about: service))
            lines += table(of: service)
            if let shadow = service.shadow { lines += shadowLines(shadow) }
            for source in service.sources ?? [] { lines += words(about: source, indent: "  ") }
        }
        if let catalogue = status.catalogue { lines += words(about: catalogue, indent: "") }
        if status.liveChanges > 0, status.file != nil {
            let changes = status.liveChanges == 1 ? "live change" : "live changes"
            lines.append("\(status.liveChanges) \(changes) not in the file")
        }
        if let problem = status.fileProblem {
            let errors = problem.errors == 1 ? "error" : "errors"
            lines.append(
                "file has \(problem.errors) \(errors) since \(clock(problem.since)), "
                    + "still running \(status.generation)")
            lines.append(problem.report)
        }
        if status.lostLogRecords > 0 {
            lines.append("\(status.lostLogRecords) access log records were lost")
        }
        if status.stopping { lines.append("stopping") }
        return lines.joined(separator: "\n")
    }

    /// Nothing, of a source that is there and has nothing to complain about.
    private static func words(about source: SourceAnswer, indent: String) -> [String] {
        var lines: [String] = []
        if source.state != "connected" {
            let reason = source.reason.map { ": \($0)" } ?? ""
            let isKept = source.servers > 0 ? "; its servers stay as they are known" : ""
            lines.append(
                "\(indent)\(source.name) \(source.state) since \(clock(source.since))"
                    + reason + isKept
            )
        }
        for warning in source.warnings {
            let help = warning.help.map { "; \($0)" } ?? ""
            lines.append("\(indent)warning: \(warning.subject): \(warning.sentence)\(help)")
        }
        return lines
    }

    private static func line(about service: ServiceAnswer) -> String {
        var text = "\(service.name)  \(service.balance)  "
        text += "\(service.up) of \(service.total) up   \(grouped(service.rps)) req/s"
        if let p50 = service.p50Ms, let p99 = service.p99Ms {
            text += "   p50 \(milliseconds(p50))  p99 \(milliseconds(p99))"
        }
        text += "   failed \(service.failed)"
        if let failures = service.failures {
            let worst = failures.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            text += " (" + worst.prefix(3).map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            text += ")"
        }
        if service.panicking == true { text += "   panic: health is ignored" }
        return text
    }

    private static func table(of service: ServiceAnswer) -> [String] {
        columns(service.servers.map { row(of: $0) }, alignsRight: [false, false, true, true, true])
            .map { "  \($0)" }
    }

    /// What another strategy would have done.
    private static func shadowLines(_ shadow: ServiceAnswer.Shadow) -> [String] {
        var line = "  shadow \(shadow.strategy)  "
        guard shadow.picks > 0 else { return [line + "no requests yet"] }
        line += "agrees in \(percent(shadow.agreement)) of \(grouped(Double(shadow.picks)))"
        if let difference = shadow.differenceMs {
            let size = milliseconds(abs(difference))
            line +=
                size == "0 ms"
                ? ", its servers answer as fast"
                : ", its servers answer \(size) \(difference < 0 ? "faster" : "slower")"
        }
        let shares = shadow.shares.map {
            "\($0.id) \(percent($0.share)) \u{2192} \(percent($0.shadow))"
        }
        return [line, "    shares " + shares.joined(separator: ", ")]
    }

    private static func row(of server: ServerAnswer) -> [String] {
        var notes: [String] = []
        if server.source == "live" { notes.append("live, not in a file") }
        if let version = server.version { notes.append(version) }
        if server.backup { notes.append("backup") }
        if server.weight != 1 { notes.append("weight \(server.weight)") }
        if server.inFlight > 0 { notes.append("\(server.inFlight) in flight") }
        if let reason = server.check?.reason { notes.append("check: \(reason)") }
        if let rest = server.fullShareInAnswers, server.fullShareInMs == nil {
            notes.append("full share after \(rest) more \(rest == 1 ? "answer" : "answers")")
        }
        if server.address != server.id { notes.append(server.address) }
        if let time = server.startToFirstRequestMs {
            notes.append("first request \(milliseconds(time)) after its start")
        }
        return [
            server.id, standing(of: server), server.share.map(percent) ?? "–",
            "\(grouped(server.rps))/s", "failed \(server.failed)",
            notes.joined(separator: ", "),
        ]
    }

    static func standing(of server: ServerAnswer) -> String {
        guard server.state == "warming", let warmth = server.warmth else { return server.state }
        return "warming \(percent(warmth))"
    }

    // MARK: - Texts

    static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }

    /// `1,204`
    static func grouped(_ number: Double) -> String {
        let digits = String(Int(number.rounded()))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    /// `2 ms`, `0.4 ms`
    static func milliseconds(_ value: Double) -> String {
        guard value < 10 else { return "\(Int(value.rounded())) ms" }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10) ms" : "\(tenths / 10).\(tenths % 10) ms"
    }

    /// `18:20` of a time as RFC 3339 writes it.
    private static func clock(_ time: String) -> String {
        String(time.dropFirst(11).prefix(5))
    }

    /// Rows with their cells below one another, three spaces apart.
    static func columns(_ rows: [[String]], alignsRight: [Bool]) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                let isRight = column < alignsRight.count && alignsRight[column]
                line += (column > 0 ? "   " : "") + (isRight ? padding + cell : cell + padding)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line
        }
    }
}
