import ControlPlane
import Foundation
import Testing
import Timing

@Suite("Admin messages")
struct AdminMessageTests {
    private func text(_ value: some Encodable) -> String {
        String(decoding: AdminJSON.encode(value), as: UTF8.self)
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(text.utf8))
    }

    @Test("A receipt in one sentence")
    func receipt() {
        var receipt = ChangeReceipt()
        receipt.generation = 17
        receipt.untouched = 4
        receipt.milliseconds = 0.349
        #expect(
            receipt.sentence
                == "g17: nothing changed; 4 untouched, 0 connections closed, in 0.3 ms")
        receipt.added = ["app/127.0.0.1:3003", "listener web"]
        receipt.changed = ["routes"]
        receipt.removed = ["service old"]
        receipt.milliseconds = 12.96
        #expect(
            receipt.sentence
                == "g17: added app/127.0.0.1:3003, listener web; changed routes; "
                + "removed service old; 4 untouched, 0 connections closed, in 13.0 ms")
        #expect(
            text(receipt)
                == #"{"added":["app/127.0.0.1:3003","listener web"],"changed":["routes"],"#
                + #""connections_closed":0,"generation":17,"ms":12.96,"#
                + #""removed":["service old"],"untouched":4}"# + "\n")
    }

    @Test("Keys are in snake case, sorted, slashes plain, and nothing that is absent is there")
    func problem() {
        let problem = Problem(
            status: 404, code: "no-server", "service a/b has no server", help: "see \"status\"")
        #expect(
            text(problem)
                == #"{"code":"no-server","help":"see \"status\"","status":404,"#
                + #""title":"service a/b has no server"}"# + "\n")
    }

    @Test("Status is read and written without loss")
    func status() throws {
        let server =
            #"{"address":"127.0.0.1:3001","answers":12,"backup":false,"#
            + #""check":{"at":"2026-01-02T03:04:05.000Z","ms":1.5,"ok":false,"#
            + #""reason":"server_refused"},"#
            + #""expected_share":0.25,"failed":1,"first_answer":{"ms":2.25,"status":200},"#
            + #""full_share_in_ms":900,"id":"a","in_flight":3,"rps":1.5,"service":"app","#
            + #""share":0.5,"since":"2026-01-02T03:04:05.000Z","source":"file","#
            + #""state":"warming","version":"v2","warmth":0.25,"weight":2}"#
        let service =
            #"{"balance":"least-requests","failed":1,"name":"app","p50_ms":0.5,"p99_ms":7.5,"#
            + #""requests":13,"rps":1.5,"servers":["# + server + #"],"sources":[],"#
            + #""total":1,"up":1}"#
        let status =
            #"{"connections":5,"file":"/etc/staithe.yaml","#
            + #""file_problem":{"errors":2,"report":"x","since":"2026-01-02T03:04:05.000Z"},"#
            + #""generation":"g17","listeners":[{"address":"0.0.0.0:80","connections":5,"#
            + #""name":"web"}],"live_changes":1,"loops":2,"lost_log_records":0,"#
            + #""process":4711,"services":["# + service
            + #"],"started":"2026-01-02T03:04:05.000Z","stopping":false,"uptime_seconds":60,"#
            + #""version":"0.1"}"#
        let answer = try decode(StatusAnswer.self, status)
        #expect(answer.services[0].servers[0].inFlight == 3)
        #expect(answer.services[0].p99Ms == 7.5)
        #expect(text(answer) == status + "\n")
    }

    @Test("Requests may leave out what they do not change")
    func requests() throws {
        let add = try decode(AddRequest.self, #"{"address":"3003"}"#)
        #expect(add == AddRequest(address: "3003"))
        #expect(text(add) == #"{"address":"3003"}"# + "\n")
        let whole = try decode(
            AddRequest.self,
            #"{"address":"3003","wait":"checked","weight":3,"backup":true,"timeout":"30s"}"#)
        #expect(whole.wait == .checked)
        #expect(whole.weight == 3)
        #expect(whole.backup == true)
        #expect(whole.timeout == "30s")
        let set = try decode(SetRequest.self, #"{"state":"drain"}"#)
        #expect(set.state == "drain")
        #expect(set.weight == nil)
    }

    @Test(
        "What is not a request is refused",
        arguments: [
            "", "{", "[]", "null", "{}", #"{"address":3003}"#, #"{"address":null}"#,
            #"{"address":"3003","wait":"for ever"}"#, #"{"address":"3003","weight":"2"}"#,
            #"{"address":"3003","weight":1.5}"#, #"{"address":"3003","weight":1e99}"#,
        ])
    func malformed(text: String) {
        #expect(throws: (any Error).self) { try decode(AddRequest.self, text) }
    }

    @Test(
        "Durations as people write them",
        arguments: [
            ("250ms", .milliseconds(250)), ("30s", .seconds(30)), ("1m30s", .seconds(90)),
            ("1h", .seconds(3600)), ("2d", .seconds(172_800)), ("0", .zero),
            ("", .zero), ("5", nil), ("s", nil), ("5 s", nil), ("-5s", nil), ("1.5s", nil),
            ("0s", nil), ("99999999999s", nil), ("4000000000d", nil),
            ("18446744073709551616s", nil), ("200000d200000d", nil), ("5x", nil),
        ] as [(String, Interval?)])
    func durations(text: String, expected: Interval?) {
        // No text is no duration.
        #expect(Interval(words: text) == (text.isEmpty ? nil : expected))
    }
}
