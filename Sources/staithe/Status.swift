import ArgumentParser
import ControlPlane
import Linux

/// `staithe status`
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what is running: services, servers, and what each of them does.")

    @Argument(help: ArgumentHelp("Only this service.", valueName: "service"))
    var name: String?

    @OptionGroup var options: ClientOptions

    func run() throws {
        let client = try Client(options)
        let wanted = name ?? options.service
        if options.json {
            let target =
                wanted.map { "/v1/services/\(AdminClient.segment($0))" } ?? "/v1/status"
            return try client.relay("GET", target)
        }
        var status = try client.ask("GET", "/v1/status", as: StatusAnswer.self)
        if let wanted {
            status.services.removeAll { $0.name != wanted }
            guard !status.services.isEmpty else {
                throw Client.failure("there is no service '\(wanted)'")
            }
        }
        StandardStream.output.print(StatusText.text(status))
    }
}

/// `staithe reload`
struct Reload: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read the configuration again and apply the difference.")

    @OptionGroup var options: ClientOptions

    func run() throws {
        let client = try Client(options)
        if options.json { return try client.relay("POST", "/v1/config/reload") }
        let answer = try client.call("POST", "/v1/config/reload")
        do throws(Problem) {
            StandardStream.output.print(try answer.value(ChangeReceipt.self).sentence)
        } catch {
            let isConfiguration = error.diagnostics != nil
            let code = Client.failure(error)
            throw isConfiguration ? ExitCode(ExitStatus.configuration) : code
        }
    }
}
