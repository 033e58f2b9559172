/// nginx from the distribution, in one process, so that a signal hits all of it.
public final class NginxServer: Sendable {
    public let process: ChildProcess
    public let port: UInt16
    public let directory: TemporaryDirectory

    /// Answers every request with `text`, or with the files of ``directory`` below `/files/`.
    ///
    /// - Parameter log: directives beside the servers; `$directory` is ``directory``.
    public init(
        port: UInt16 = Machine.freePort(), text: String = "nginx", log: String = "access_log off;"
    ) throws {
        self.port = port
        let directory = TemporaryDirectory()
        self.directory = directory
        guard let program = Machine.program("nginx") else {
            throw ChildProcess.StartFailure(description: "nginx is missing: make test installs it")
        }
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        let places = kinds.map { "  \($0)_temp_path \(directory.path)/\($0);\n" }.joined()
        try directory.write(
            """
            daemon off;
            master_process off;
            pid \(directory.path)/nginx.pid;
            error_log \(directory.path)/error.log;
            events { worker_connections 4096; }
            http {
            \(places)
              \(log.replacing("$directory", with: directory.path))
              keepalive_requests 1000000;
              client_max_body_size 0;
              server {
                listen 127.0.0.1:\(port) backlog=4096;
                location / { default_type text/plain; return 200 "\(text)"; }
                location /files/ { alias \(directory.path)/; }
              }
            }

            """, to: "nginx.conf")
        process = try ChildProcess(
            program, ["-e", directory.file("error.log"), "-c", directory.file("nginx.conf")])
        try waitUntilListening(process, port)
    }
}

/// Python's http.server, which speaks HTTP/1.0 and ends its answers by closing.
public final class PythonHTTPServer: Sendable {
    public let process: ChildProcess
    public let port: UInt16
    /// What it serves.
    public let directory: TemporaryDirectory

    public init(port: UInt16 = Machine.freePort()) throws {
        self.port = port
        directory = TemporaryDirectory()
        guard let program = Machine.program("python3") else {
            throw ChildProcess.StartFailure(
                description: "python3 is missing: make test installs it")
        }
        process = try ChildProcess(
            program,
            ["-m", "http.server", "--bind", "127.0.0.1", "-d", directory.path, "\(port)"])
        try waitUntilListening(process, port)
    }
}

public func waitUntilListening(_ process: ChildProcess, _ port: UInt16) throws {
    let isListening = eventually(timeout: 20) {
        !process.isRunning || (try? ScriptedClient(port: port)) != nil
    }
    guard isListening, process.isRunning else {
        process.stop()
        throw ChildProcess.StartFailure(
            description: "no server on port \(port): \(String(describing: process.end))\n"
                + process.log)
    }
}
