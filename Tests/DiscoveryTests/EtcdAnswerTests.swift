import Configuration
import Discovery
import Testing

@Suite("Answers of etcd")
struct EtcdAnswerTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A watch as etcd 3.5 wrote it: it begins, a key is put under a lease, the lease ends.
    private let watch = [
        #"{"result":{"header":{"cluster_id":"12265064574247527413","member_id":"1051","#
            + #""revision":"1","raft_term":"2"},"created":true}}"#,
        #"{"result":{"header":{"cluster_id":"12265064574247527413","revision":"2"},"events":"#
            + #"[{"kv":{"key":"L2xiL2JhY2tlbmRzL3Nob3Avd2ViLTE=","create_revision":"2","#
            + #""mod_revision":"2","version":"1","value":"eyJhZGRyIjoiMTI3LjAuMC4xMTo4MDgwIn0=","#
            + #""lease":"3254028893173445383"}}]}}"#,
        #"{"result":{"header":{"cluster_id":"12265064574247527413","revision":"3"},"events":"#
            + #"[{"type":"DELETE","kv":{"key":"L2xiL2JhY2tlbmRzL3Nob3Avd2ViLTE=","#
            + #""mod_revision":"3"},"prev_kv":{"key":"L2xiL2JhY2tlbmRzL3Nob3Avd2ViLTE=","#
            + #""create_revision":"2","mod_revision":"2","version":"1","#
            + #""value":"eyJhZGRyIjoiMTI3LjAuMC4xMTo4MDgwIn0=","lease":"3254028893173445383"}}]}}"#,
    ]

    @Test("A watch: created, put under a lease, deleted when the lease ended")
    func watching() throws {
        let cluster: UInt64 = 12_265_064_574_247_527_413
        let messages = try watch.map { try EtcdAnswer.watchMessage(bytes($0)) }
        let entry = EtcdAnswer.KeyValue(
            key: "/lb/backends/shop/web-1", value: #"{"addr":"127.0.0.11:8080"}"#, revision: 2,
            lease: 3_254_028_893_173_445_383)
        #expect(
            messages == [
                .created(EtcdAnswer.Header(cluster: cluster, revision: 1)),
                .events(EtcdAnswer.Header(cluster: cluster, revision: 2), [.put(entry)]),
                .events(
                    EtcdAnswer.Header(cluster: cluster, revision: 3),
                    [.delete(key: "/lb/backends/shop/web-1", revision: 3, before: entry)]),
            ])
    }

    @Test(
        "Numbers that cannot be are taken for the nearest that can",
        arguments: [
            ("9223372036854775807", Int64.max - 1, 1 << 40),
            ("-9223372036854775808", 0, 0), ("9223372036854775808", 0, 0), ("7", 7, 7),
        ])
    func numbers(text: String, revision: Int64, count: Int) throws {
        let listing = try EtcdAnswer.listing(
            bytes("{\"header\":{\"revision\":\"\(text)\"},\"count\":\"\(text)\"}"))
        #expect(listing.header.revision == revision)
        #expect(listing.count == count)
    }

    @Test("A line that is cut anywhere is refused")
    func cut() {
        for line in watch {
            let whole = bytes(line)
            for count in 0..<whole.count {
                #expect(throws: EtcdAnswer.Refusal.self) {
                    try EtcdAnswer.watchMessage(Array(whole[..<count]))
                }
            }
        }
    }

    @Test("Compaction, an end with a reason, progress, and an error in the stream")
    func ends() throws {
        #expect(
            try EtcdAnswer.watchMessage(
                bytes(
                    #"{"result":{"header":{"revision":"9"},"created":true,"canceled":true,"#
                        + #""compact_revision":"7"}}"#))
                == .canceled(reason: "", compactRevision: 7))
        #expect(
            try EtcdAnswer.watchMessage(
                bytes(#"{"result":{"canceled":true,"cancel_reason":"no leader"}}"#))
                == .canceled(reason: "no leader", compactRevision: 0))
        #expect(
            try EtcdAnswer.watchMessage(bytes(#"{"result":{"header":{"revision":"12"}}}"#))
                == .progress(EtcdAnswer.Header(cluster: 0, revision: 12)))
        let error = #"{"error":{"grpc_code":14,"http_code":503,"message":"no leader"}}"#
        #expect(throws: EtcdAnswer.Refusal(code: 14, message: "no leader")) {
            try EtcdAnswer.watchMessage(bytes(error))
        }
    }

    @Test("A range; keys that are no text are left out, and counted")
    func ranges() throws {
        let listing = try EtcdAnswer.listing(
            bytes(
                #"{"header":{"cluster_id":"7","revision":"41"},"kvs":[{"key":"L2EvYg==","#
                    + #""mod_revision":"40","value":"MTI3LjAuMC4xOjMwMDE="},{"key":"/w==","#
                    + #""mod_revision":"41","value":""}],"count":"2"}"#))
        #expect(listing.header == EtcdAnswer.Header(cluster: 7, revision: 41))
        #expect(listing.count == 2)
        #expect(
            listing.entries == [
                EtcdAnswer.KeyValue(key: "/a/b", value: "127.0.0.1:3001", revision: 40)
            ])
    }

    @Test("Leases, tokens and refusals")
    func others() throws {
        #expect(
            try EtcdAnswer.grant(bytes(#"{"header":{},"ID":"3254028893173445383","TTL":"10"}"#))
                == EtcdAnswer.Grant(lease: 3_254_028_893_173_445_383, seconds: 10))
        #expect(
            try EtcdAnswer.grant(bytes(#"{"result":{"header":{},"ID":"5"}}"#))
                == EtcdAnswer.Grant(lease: 5, seconds: 0))
        #expect(try EtcdAnswer.token(bytes(#"{"header":{},"token":"abc.12"}"#)) == "abc.12")
        #expect(throws: EtcdAnswer.Refusal.self) {
            try EtcdAnswer.token(bytes(#"{"token":"a\r\nX: y"}"#))
        }
        let refusal = EtcdAnswer.refusal(
            status: 401,
            bytes(
                #"{"error":"etcdserver: invalid auth token","message":"etcdserver: "#
                    + #"invalid auth token","code":16}"#))
        #expect(refusal.needsLogin)
        #expect(
            EtcdAnswer.refusal(status: 404, bytes("404 page not found")).message
                == "it answered with status 404")
    }

    @Test("Requests are what etcd's gateway wants")
    func requests() {
        #expect(
            EtcdProtocol.list(prefix: "/a/") == #"{"key":"L2Ev","range_end":"L2Ew"}"#)
        #expect(
            EtcdProtocol.watch(prefix: "/a/", from: 12)
                == #"{"create_request":{"key":"L2Ev","range_end":"L2Ew","start_revision":"12","#
                + #""prev_kv":true,"progress_notify":true}}"#)
        #expect(
            EtcdProtocol.put(key: "/a/b", value: "c", lease: 5, if: .lease(5))
                == #"{"compare":[{"key":"L2EvYg==","target":"LEASE","lease":"5"}],"#
                + #""success":[{"request_put":{"key":"L2EvYg==","value":"Yw==","lease":"5"}}]}"#)
        #expect(
            EtcdProtocol.put(key: "/a/b", value: "c", lease: 5, if: .always)
                == #"{"compare":[],"success":[{"request_put":"#
                + #"{"key":"L2EvYg==","value":"Yw==","lease":"5"}}]}"#)
        #expect(EtcdProtocol.quoted("a\"\\\n\u{1}ä") == #""a\"\\\u000a\u0001ä""#)
    }

    // MARK: - Values

    private let etcd = EtcdDiscovery(prefix: "/s/")

    @Test("A record is read as it was written, and an address alone is one")
    func records() throws {
        var record = EtcdRecord(address: "10.0.0.7:3000")
        record.weight = 3
        record.version = "v2 \"x\""
        record.isBackup = true
        record.isDraining = true
        #expect(try EtcdRecord(reading: record.text) == record)
        let server = try EtcdRecord(reading: "10.0.0.7:3000").server(named: "a", etcd)
        #expect(server.identity == "a")
        #expect(server.configuration.name == "a")
        #expect(server.configuration.address == ServerAddress(host: "10.0.0.7", port: 3000))
        #expect(server.configuration.weight == 1)
        #expect(server.state == .ready)
        record.version = nil
        #expect(try record.server(named: "b", etcd).state == .draining)
    }

    @Test(
        "A value that cannot be used is told in a sentence",
        arguments: [
            ("{", "a"), (#"{"address":"web:3000"}"#, "a"), (#"{"weight":2}"#, "a"),
            (#"{"address":"10.0.0.7:3000","weight":"many"}"#, "a"),
            (#"{"address":"10.0.0.7:3000","weight":1001}"#, "a"),
            (#"{"address":"10.0.0.7:99999"}"#, "a"), ("", "a"), ("10.0.0.7:3000", "a/b"),
            ("10.0.0.7:3000", ""), ("unix:/run/x", "a"),
        ])
    func mistakes(value: String, name: String) {
        do throws(EtcdRecord.Mistake) {
            _ = try EtcdRecord(reading: value).server(named: name, etcd)
            Issue.record("\(value) was accepted")
        } catch {
            #expect(!error.sentence.isEmpty && !error.help.isEmpty)
        }
    }
}
