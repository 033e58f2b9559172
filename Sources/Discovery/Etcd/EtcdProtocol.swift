/// The requests of etcd's JSON gateway (3.4 and later) that we make. All of them are POST.
public enum EtcdProtocol {
    public static let authenticatePath = "/v3/auth/authenticate"
    public static let rangePath = "/v3/kv/range"
    public static let watchPath = "/v3/watch"
    public static let transactionPath = "/v3/kv/txn"
    public static let grantPath = "/v3/lease/grant"
    public static let keepAlivePath = "/v3/lease/keepalive"
    public static let revokePath = "/v3/lease/revoke"

    /// Bytes of an answer at most: a list of ten thousand servers has about three megabytes.
    public static let answerBound = 16 << 20

    public static func authenticate(user: String, password: String) -> String {
        "{\"name\":\(quoted(user)),\"password\":\(quoted(password))}"
    }

    /// All keys with a prefix, as the majority of the members has them.
    public static func list(prefix: String) -> String { "{\(keys(prefix))}" }

    /// How many there are, and at which revision; the majority must agree, so the answer says
    /// besides that this member belongs to it.
    public static func count(prefix: String) -> String { "{\(keys(prefix)),\"count_only\":true}" }

    /// Everything from a revision on, with what was there before.
    public static func watch(prefix: String, from revision: Int64) -> String {
        "{\"create_request\":{\(keys(prefix)),\"start_revision\":\"\(revision)\","
            + "\"prev_kv\":true,\"progress_notify\":true}}"
    }

    /// One key, with its lease.
    public static func get(key: String) -> String {
        "{\"key\":\"\(Base64.encode(key.utf8))\"}"
    }

    /// Writes a key under a lease, if it still is what `condition` says.
    public static func put(
        key: String, value: String, lease: Int64, if condition: AnnouncementMachine.Condition
    ) -> String {
        let name = "\"key\":\"\(Base64.encode(key.utf8))\""
        let comparison =
            switch condition {
            case .always: ""
            case .lease(let lease): "{\(name),\"target\":\"LEASE\",\"lease\":\"\(lease)\"}"
            case .revision(let revision):
                "{\(name),\"target\":\"MOD\",\"mod_revision\":\"\(revision)\"}"
            }
        return "{\"compare\":[\(comparison)],\"success\":[{\"request_put\":{\(name),"
            + "\"value\":\"\(Base64.encode(value.utf8))\",\"lease\":\"\(lease)\"}}]}"
    }

    public static func grant(seconds: Int) -> String { "{\"TTL\":\"\(seconds)\"}" }
    public static func lease(_ lease: Int64) -> String { "{\"ID\":\"\(lease)\"}" }

    private static func keys(_ prefix: String) -> String {
        "\"key\":\"\(Base64.encode(prefix.utf8))\","
            + "\"range_end\":\"\(Base64.encode(end(of: Array(prefix.utf8))))\""
    }

    /// The first key behind all that begin with a prefix: the last byte that can be raised is.
    static func end(of prefix: [UInt8]) -> [UInt8] {
        var end = prefix
        while let last = end.popLast() {
            if last < 255 { return end + [last + 1] }
        }
        return [0]
    }

    /// A JSON string (RFC 8259 §7).
    public static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..."\u{1F}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
