import ArgumentParser
import ControlPlane
import Linux
import Timing

/// What every command that talks to a running staithe understands.
struct ClientOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The admin socket. Without it the running staithe is found.", valueName: "path"))
    var socket: String?

    @Option(help: ArgumentHelp("The service. Not needed when there is one.", valueName: "name"))
    var service: String?

    @Flag(help: "Print the answer as JSON.")
    var json = false
}

/// A conversation with a running staithe, whose failures end the command with their sentence
/// and their status.
struct Client {
    let options: ClientOptions
    let admin: AdminClient

    init(_ options: ClientOptions) throws {
        self.options = options
        admin = AdminClient(path: try options.socket ?? Self.onlyOne())
    }

    private static func onlyOne() throws -> String {
        let running = AdminSockets.running()
        guard running.count < 2 else {
            let list = running.map { "  --socket \($0)" }.joined(separator: "\n")
            throw failure("several are running; say which one:\n\(list)", ExitStatus.usage)
        }
        guard let path = running.first else { throw notRunning }
        return path
    }

    private static var notRunning: ExitCode {
        failure(
            "no staithe is running here; start one with 'staithe 8080 3001 3002', or name its "
                + "admin socket with --socket", ExitStatus.notRunning)
    }

    /// Says a sentence on standard error.
    ///
    /// - Returns: what is to be thrown.
    static func failure(_ sentence: String, _ status: Int32 = ExitStatus.failed) -> ExitCode {
        StandardStream.error.print("staithe: \(sentence)")
        return ExitCode(status)
    }

    static func failure(_ problem: Problem) -> ExitCode {
        var text = problem.title
        if let report = problem.report { text += "\n\(report)" }
        if let help = problem.help { text += "\n  help: \(help)" }
        return failure(text)
    }

    // MARK: - Calls

    func call(
        _ method: String, _ target: String, body: [UInt8]? = nil
    ) throws -> AdminClient.Answer {
        do throws(AdminClient.Failure) {
            return try admin.call(method, target, body: body)
        } catch {
            throw failure(error)
        }
    }

    /// Says why there is no answer.
    ///
    /// - Returns: what is to be thrown.
    func failure(_ failure: AdminClient.Failure) -> ExitCode {
        switch failure {
        case .notRunning: Self.notRunning
        case .notAllowed:
            Self.failure(
                "you may not use \(admin.path); its owner and group may", ExitStatus.notAllowed)
        case .silent(let time): Self.failure(Self.silence(admin.path, time))
        case .broken(let reason): Self.failure("\(admin.path): \(reason)")
        }
    }

    static func silence(_ path: String, _ time: Interval) -> String {
        "staithe on \(path) has not answered for \(time.words): its process is stopped or "
            + "overloaded"
    }

    /// Calls, and waits no longer than `time` for the answer.
    func call(
        _ method: String, _ target: String, within time: Interval
    ) throws -> AdminClient.Answer {
        do throws(AdminClient.Failure) {
            return try admin.call(method, target, within: time)
        } catch {
            throw failure(error)
        }
    }

    /// Calls, and reads the answer; a problem is said and ends the command.
    func ask<Value: Decodable>(
        _ method: String, _ target: String, body: [UInt8]? = nil, as type: Value.Type = Value.self
    ) throws -> Value {
        try Self.value(of: call(method, target, body: body), type)
    }

    /// Reads an answer; a problem is said and ends the command.
    static func value<Value: Decodable>(
        of answer: AdminClient.Answer, _ type: Value.Type = Value.self
    ) throws -> Value {
        do throws(Problem) {
            return try answer.value(type)
        } catch {
            throw failure(error)
        }
    }

    /// Calls, and prints the answer as it came.
    func relay(_ method: String, _ target: String, body: [UInt8]? = nil) throws {
        let answer = try call(method, target, body: body)
        try? StandardStream.output.write(answer.body)
        if answer.status >= 400 { throw ExitCode(ExitStatus.failed) }
    }

    // MARK: - Names

    /// The service that is meant when none is named.
    ///
    /// - Parameter time: how long to wait for the answer; without it, as long as it may take.
    func onlyService(within time: Interval? = nil) throws -> String {
        if let name = options.service { return name }
        let services = try services(within: time)
        guard services.count == 1, let only = services.first else {
            let names = services.map(\.name).joined(separator: ", ")
            throw Self.failure(
                "there are several services; name one with --service: \(names)",
                ExitStatus.usage)
        }
        return only.name
    }

    func services(within time: Interval? = nil) throws -> [ServiceAnswer] {
        let target = "/v1/status"
        let answer =
            if let time {
                try call("GET", target, within: time)
            } else {
                try call("GET", target)
            }
        return try Self.value(of: answer, StatusAnswer.self).services
    }

    /// The path of a server, in whichever service has it.
    func path(ofServer address: String) throws -> String {
        let names = try options.service.map { [$0] } ?? services().map(\.name)
        let paths = names.map {
            "/v1/services/\(AdminClient.segment($0))/servers/\(AdminClient.segment(address))"
        }
        if paths.count == 1 { return paths[0] }
        let known = try paths.filter { try call("GET", $0).status == 200 }
        guard let first = known.first else {
            throw Self.failure("no service has a server '\(address)'")
        }
        guard known.count == 1 else {
            throw Self.failure(
                "several services have '\(address)'; name one with --service",
                ExitStatus.usage)
        }
        return first
    }
}
