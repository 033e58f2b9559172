import Memory
import Timing

/// One access record as a line of JSON.
///
/// The fields and their order are those of the reference; a field whose value isn't known is
/// left out.
enum AccessLine {
    /// More than the longest line: texts of strangers come to 1.7 KB and names, nine of them, to
    /// 2.3 KB at most, each byte of which may take six in JSON.
    static let byteBound = 32 << 10

    static func append(
        _ bytes: RawSpan, names: some NameLookup, to line: inout Buffer
    ) {
        let (record, texts) = AccessRecord.decode(bytes)
        let generation = record.generation
        func name(_ kind: NamedKind, _ number: UInt32) -> String? {
            guard number != AccessRecord.noNumber else { return nil }
            return names.name(of: kind, number, generation: generation)
        }

        var object = JSONObject(into: &line)
        object.key("time", to: &line)
        line.append(UInt8(ascii: "\""))
        CivilTime.append(nanosecondsSince1970: record.endedAtNanoseconds, to: &line)
        line.append(UInt8(ascii: "\""))
        object.field("id", texts.id, of: bytes, to: &line)
        append(record.client, in: &object, to: &line)
        object.field("client_cert", texts.identity, of: bytes, to: &line)
        object.field("method", texts.method, of: bytes, to: &line)
        object.field("host", texts.host, of: bytes, to: &line)
        object.field("path", texts.path, of: bytes, to: &line)
        if record.version != .unknown {
            object.field("protocol", word: record.version.word, to: &line)
        }
        object.field("listener", name(.listener, record.listener), to: &line)
        object.field("route", name(.route, record.route), to: &line)
        object.field("service", name(.service, record.service), to: &line)
        object.field("version", name(.version, record.server), to: &line)
        object.field("server", name(.server, record.server), to: &line)
        if record.status != 0 {
            object.field("status", decimal: UInt64(record.status), to: &line)
        }
        object.field("reason", word: record.reason.word, to: &line)
        object.field("rule", texts.rule, of: bytes, to: &line)
        object.field("retried", word: record.retried.word, to: &line)
        append(attemptsOf: record, names: name, in: &object, to: &line)
        append(timesOf: record, in: &object, to: &line)
        object.field("in", decimal: record.receivedBytes, to: &line)
        object.field("out", decimal: record.sentBytes, to: &line)
        object.field("agent", texts.agent, of: bytes, to: &line)
        object.field("trace", texts.trace, of: bytes, to: &line)
        if generation > 0 {
            object.key("config", to: &line)
            line.append("\"g")
            line.append(decimal: generation)
            line.append(UInt8(ascii: "\""))
        }
        object.end(&line)
        line.append(UInt8(ascii: "\n"))
    }

    private static func append(
        _ client: AccessRecord.Client, in object: inout JSONObject, to line: inout Buffer
    ) {
        if client == .unknown { return }
        object.key("client", to: &line)
        line.append(UInt8(ascii: "\""))
        switch client {
        case .unknown: break
        case .v4(let address): AddressText.append(v4: address, to: &line)
        case .v6(let high, let low): AddressText.append(v6: high, low, to: &line)
        case .unixSocket: line.append("unix")
        }
        line.append(UInt8(ascii: "\""))
    }

    private static func append(
        attemptsOf record: AccessRecord, names name: (NamedKind, UInt32) -> String?,
        in object: inout JSONObject, to line: inout Buffer
    ) {
        guard record.attemptCount > 0 else { return }
        object.key("attempts", to: &line)
        line.append(UInt8(ascii: "["))
        for index in 0..<record.attemptCount {
            if index > 0 { line.append(UInt8(ascii: ",")) }
            let attempt = record.attempt(index)
            var entry = JSONObject(into: &line)
            entry.field("server", name(.server, attempt.server), to: &line)
            entry.field("reason", word: attempt.reason.word, to: &line)
            entry.field("ms", microseconds: UInt64(attempt.microseconds), to: &line)
            entry.end(&line)
        }
        line.append(UInt8(ascii: "]"))
    }

    private static func append(
        timesOf record: AccessRecord, in object: inout JSONObject, to line: inout Buffer
    ) {
        object.key("ms", to: &line)
        var times = JSONObject(into: &line)
        times.field("queue", microseconds: record.queue.nanoseconds / 1000, to: &line)
        times.field("connect", microseconds: record.connect.nanoseconds / 1000, to: &line)
        times.field("wait", microseconds: record.wait.nanoseconds / 1000, to: &line)
        times.field("total", microseconds: record.total.nanoseconds / 1000, to: &line)
        times.end(&line)
    }
}

extension JSONObject {
    /// A text of the record; nothing when it is empty.
    fileprivate mutating func field(
        _ name: StaticString, _ text: AccessTexts.Text, of bytes: RawSpan, to line: inout Buffer
    ) {
        guard !text.isEmpty else { return }
        key(name, to: &line)
        line.append(UInt8(ascii: "\""))
        JSONText.append(bytes, text.range, to: &line)
        if text.isCut { line.append("…") }
        line.append(UInt8(ascii: "\""))
    }
}
