import ControlPlane
import LiveBench

/// Changes the servers of a proxy under test through its admin socket, as the commands do.
struct LiveOperator: ProxyOperator {
    private static let service = "/v1/services/app/servers"

    func isReady(_ socket: String, servers: Int) -> Bool {
        guard let answer = try? AdminClient(path: socket).call("GET", "/v1/status"),
            let status = try? answer.value(StatusAnswer.self)
        else { return false }
        return status.services.contains { $0.name == "app" && $0.up == servers }
    }

    func add(_ server: LiveServer, at socket: String) throws(LiveFailure) {
        var request = AddRequest(address: server.address)
        request.name = server.name
        request.weight = server.weight
        request.backup = server.isBackup ? true : nil
        request.wait = .checked
        try call("POST", Self.service, AdminJSON.encode(request), at: socket)
    }

    func drain(_ name: String, at socket: String) throws(LiveFailure) {
        try call("DELETE", "\(Self.service)/\(name)", at: socket)
    }

    func remove(_ name: String, at socket: String) throws(LiveFailure) {
        try call("DELETE", "\(Self.service)/\(name)?now=1", at: socket)
    }

    private func call(
        _ method: String, _ target: String, _ body: [UInt8]? = nil, at socket: String
    ) throws(LiveFailure) {
        let answer: AdminClient.Answer
        do throws(AdminClient.Failure) {
            answer = try AdminClient(path: socket).call(method, target, body: body)
        } catch {
            throw LiveFailure(.broken, "\(method) \(target) at the proxy under test: \(error)")
        }
        guard answer.status >= 400 else { return }
        let sentence = AdminJSON.decode(Problem.self, answer.body)?.title ?? "no reason"
        throw LiveFailure(
            .broken,
            "\(method) \(target) at the proxy under test: \(answer.status), \(sentence)")
    }
}
