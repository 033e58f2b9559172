import Configuration
import HTTP
import Linux
import Logging
import Timing

extension ControlPlane {
    // MARK: - The socket

    /// Opens the admin socket. One that belongs to a dead process is replaced, a live one is
    /// respected.
    func openAdminSocket(_ admin: AdminConfiguration) throws(StartFailure) {
        let path: String
        switch options.adminSocket ?? admin.socket {
        case .off: return
        case .path(let configured):
            if let other = AdminSockets.owner(of: configured) {
                throw StartFailure(
                    sentence: "another staithe\(other) answers on \(configured): stop it, or give "
                        + "this one a path of its own in admin.socket")
            }
            path = configured
        case .standard:
            do throws(Errno) {
                path = try AdminSockets.standardPath(for: options.source)
            } catch {
                log.warning("no admin socket: its directory cannot be made: \(error)")
                return
            }
        }
        let server = AdminServer(path: path, loop: loop) { [unowned self] request, respond in
            handle(request, respond)
        }
        File.remove(path)
        do throws(Errno) {
            try server.listen(mode: admin.socketMode)
        } catch {
            throw StartFailure(sentence: "admin socket \(path) cannot be opened: \(error)")
        }
        adminServer = server
        adminSocketPath = path
    }

    // MARK: - Requests

    private func handle(
        _ request: AdminRequest, _ respond: @escaping (AdminResponse) -> Void
    ) {
        do throws(Problem) {
            let path = request.path
            if path == ["healthz"] || path == ["readyz"] {
                try request.mustBe(.get)
                return respond(
                    AdminResponse(path == ["readyz"] ? readinessAnswer() : healthAnswer()))
            }
            if path == ["metrics"] {
                try request.mustBe(.get)
                return answerMetrics(respond)
            }
            guard path.first == "v1" else { throw Self.notFound }
            switch (path.count, path.dropFirst().first) {
            case (2, "status"):
                try request.mustBe(.get)
                respond(AdminResponse(statusAnswer(), generation: generation))
            case (2, "services"):
                try request.mustBe(.get)
                let answers = services.map { answer(about: $0) }
                respond(AdminResponse(answers, generation: generation))
            case (3..., "services"):
                try handleService(request, try service(path[2]), respond)
            case (3, "config"):
                try request.mustBe(.post)
                try handleConfiguration(request, path[2], respond)
            default:
                throw Self.notFound
            }
        } catch {
            respond(AdminResponse(error))
        }
    }

    private static var notFound: Problem {
        Problem(
            status: 404, code: "not-found", "there is nothing at this path",
            help: "begin with /v1/status")
    }

    private func handleService(
        _ request: AdminRequest, _ service: ServiceEntry,
        _ respond: @escaping (AdminResponse) -> Void
    ) throws(Problem) {
        let path = request.path
        if path.count == 3 {
            try request.mustBe(.get)
            return respond(AdminResponse(answer(about: service), generation: generation))
        }
        guard path[3] == "servers" else { throw Self.notFound }
        switch path.count {
        case 4:
            if request.method == .post {
                let body = try request.decode(AddRequest.self)
                let status = body.wait == AddRequest.Wait.none ? 202 : 201
                return add(body, to: service, by: request.caller) { [unowned self] result in
                    respond(response(result, status: status))
                }
            }
            try request.mustBe(.get)
            respond(AdminResponse(answer(about: service).servers, generation: generation))
        case 5:
            try handleServer(request, try server(path[4], in: service), respond)
        default:
            throw Self.notFound
        }
    }

    private func handleServer(
        _ request: AdminRequest, _ server: ServerEntry,
        _ respond: @escaping (AdminResponse) -> Void
    ) throws(Problem) {
        switch request.method {
        case .get:
            respond(AdminResponse(answer(about: server), generation: generation))
        case .patch:
            let body = try request.decode(SetRequest.self)
            set(body, server, by: request.caller) { [unowned self] result in
                respond(response(result))
            }
        case .delete:
            var drain: Interval?
            if let text = request.query["drain"] { drain = try Self.duration(text) }
            if request.query["now"] != nil { drain = .zero }
            remove(server, drain: drain, by: request.caller) { [unowned self] result in
                respond(response(result))
            }
        default:
            throw AdminRequest.wrongMethod
        }
    }

    private func handleConfiguration(
        _ request: AdminRequest, _ verb: String, _ respond: @escaping (AdminResponse) -> Void
    ) throws(Problem) {
        switch verb {
        case "reload":
            reload(cause: "asked for") { [unowned self] outcome in
                switch outcome {
                case .applied(let committed):
                    respond(AdminResponse(committed.receipt, generation: generation))
                case .refused(let problem): respond(AdminResponse(problem))
                }
            }
        case "check":
            let outcome = ConfigurationSource.load(request.body, path: "request")
            respond(
                AdminResponse(
                    CheckAnswer(
                        valid: outcome.configuration != nil,
                        diagnostics: outcome.diagnostics.map { DiagnosticAnswer($0) })))
        default:
            throw Self.notFound
        }
    }

    private func response(
        _ result: Result<ServerChangeAnswer, Problem>, status: Int = 200
    ) -> AdminResponse {
        switch result {
        case .success(let answer):
            AdminResponse(answer, status: status, generation: generation)
        case .failure(let problem): AdminResponse(problem)
        }
    }

    // MARK: - Names

    private func service(_ name: String) throws(Problem) -> ServiceEntry {
        if let service = services.first(where: { $0.name == name }) { return service }
        throw Problem(
            status: 404, code: "no-service", "there is no service '\(name)'",
            help: "there is \(services.map(\.name).joined(separator: ", "))")
    }

    /// By name, or by any way to write the address.
    private func server(_ id: String, in service: ServiceEntry) throws(Problem) -> ServerEntry {
        if let server = service.servers.first(where: { $0.id == id }) { return server }
        let outcome = ProxyConfiguration.shortForm(listen: "1", servers: [id])
        if let address = outcome.configuration?.services.first?.servers.first?.address,
            let server = service.servers.first(where: { $0.configuration.address == address })
        {
            return server
        }
        throw Problem(
            status: 404, code: "no-server", "service \(service.name) has no server '\(id)'",
            help: service.servers.isEmpty
                ? nil : "it has \(service.servers.map(\.id).joined(separator: ", "))")
    }
}

extension AdminRequest {
    static var wrongMethod: Problem {
        Problem(status: 405, code: "wrong-method", "this path does not know the method")
    }

    func mustBe(_ wanted: HTTP.Method) throws(Problem) {
        guard method == wanted || method == .head && wanted == .get else {
            throw Self.wrongMethod
        }
    }
}
