import Foundation
import Glibc

/// An engine of the test's own, as Debian's docker.io or podman brings it: with its data, its
/// socket and its containers in a temporary directory, and without a network.
///
/// Its containers are one static server, built here, that share the network of the host and
/// listen on addresses of 127.0.0.0/8 only.
public final class RealEngine: Prop {
    public struct Unavailable: Error, CustomStringConvertible {
        public var description: String
    }

    public enum Kind: String, CaseIterable, Sendable, CustomStringConvertible {
        case docker, podman
        public var description: String { rawValue }
    }

    public static let image = "localhost/staithe-test:1"
    /// The same with a health check each second; Podman's needs timers of systemd.
    public static let checkedImage = "localhost/staithe-test:checked"

    public let kind: Kind
    public let directory: TemporaryDirectory
    public let socket: String
    private let isLiveRestoring: Bool
    private let daemon: Locked<ChildProcess>
    /// `docker` or `podman`, and what it needs to find this engine.
    private let client: String
    private let clientWords: [String]

    /// Starts it and makes the image.
    ///
    /// - Throws: ``Unavailable``, with the reason, where no engine can be started.
    public init(_ kind: Kind = .docker, liveRestore: Bool = true) throws {
        guard Machine.isRoot else { throw Unavailable(description: "an engine needs root") }
        guard let program = Machine.program(kind == .docker ? "dockerd" : "podman"),
            let client = Machine.program(kind.rawValue)
        else {
            throw Unavailable(description: "\(kind) is not installed")
        }
        self.kind = kind
        self.client = client
        directory = TemporaryDirectory()
        socket = directory.file("d.sock")
        isLiveRestoring = liveRestore
        clientWords = kind == .docker ? [] : Self.podmanWords(directory)
        daemon = Locked(try Self.start(kind, program, directory, liveRestore: liveRestore))
        guard waitUntilAnswering() else {
            let log = daemon.withLock { $0 }.log.split(separator: "\n").suffix(3)
            daemon.withLock { $0 }.stop()
            throw Unavailable(
                description: "\(program) does not start: \(log.joined(separator: " | "))")
        }
        Props.keep(self)
        try makeImage()
        try tryImage()
    }

    private static func start(
        _ kind: Kind, _ program: String, _ directory: TemporaryDirectory, liveRestore: Bool
    ) throws -> ChildProcess {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let socket = "unix://\(directory.file("d.sock"))"
        let words =
            switch kind {
            case .docker:
                [
                    "--data-root", directory.file("data"), "--exec-root", directory.file("exec"),
                    "-H", socket, "--pidfile", directory.file("d.pid"),
                    "--iptables=false", "--ip6tables=false", "--bridge=none",
                ] + (liveRestore ? ["--live-restore"] : [])
            case .podman: podmanWords(directory) + ["system", "service", "--time", "0", socket]
            }
        return try ChildProcess(
            program, words, environment: ["PATH": "\(path):/usr/sbin:/sbin"])
    }

    /// It has no daemon: whoever names the same directories sees the same containers. Debian's
    /// crun refuses some machines that runc takes.
    private static func podmanWords(_ directory: TemporaryDirectory) -> [String] {
        [
            "--root", directory.file("root"), "--runroot", directory.file("run"),
            "--tmpdir", directory.file("tmp"), "--storage-driver", "vfs",
            "--cgroup-manager", "cgroupfs", "--events-backend", "file",
        ] + (Machine.program("runc").map { ["--runtime", $0] } ?? [])
    }

    private func waitUntilAnswering() -> Bool {
        eventually(timeout: 30) {
            guard daemon.withLock({ $0.isRunning }) else { return true }
            return (try? command("version"))?.status == 0
                && FileManager.default.fileExists(atPath: socket)
        } && daemon.withLock { $0.isRunning }
    }

    private func makeImage() throws {
        let source = Self.support("container_server.c")
        let binary = directory.file("srv")
        let built = try run(
            "/usr/bin/gcc", ["-O1", "-static", "-o", binary, source], seconds: 60)
        guard built.status == 0 else {
            throw Unavailable(description: "the server cannot be compiled: \(built.errors)")
        }
        try makeImage(Self.image, nil)
        guard kind == .docker else { return }
        try makeImage(
            Self.checkedImage, "HEALTHCHECK --interval=1s --retries=2 CMD [\"/srv\",\"check\"]")
    }

    /// An engine that answers may still be kept from starting containers.
    private func tryImage() throws {
        let words = ["run", "--rm", "--network", "host"] + limits + [Self.image, "check"]
        let result = try command(words)
        guard result.status == 1 else {
            throw Unavailable(description: "it starts no container: \(result.errors)")
        }
    }

    /// Podman asks for more than a process without rights to that may have.
    private var limits: [String] {
        kind == .docker
            ? [] : ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    }

    private func makeImage(_ name: String, _ check: String?) throws {
        let call = ([client] + clientWords).map { "'\($0)'" }.joined(separator: " ")
        let imported = try run(
            "/bin/sh",
            [
                "-c",
                "tar -C '\(directory.path)' -c srv | \(call) import "
                    + "--change 'ENTRYPOINT [\"/srv\"]' --change 'EXPOSE 8080' "
                    + (check.map { "--change '\($0)' " } ?? "") + "- \(name)",
            ], environment: environment, seconds: 60)
        guard imported.status == 0 else {
            throw Unavailable(description: "the image cannot be made: \(imported.errors)")
        }
    }

    private static func support(_ name: String, here: String = #filePath) -> String {
        let tests = here.split(separator: "/").dropLast(2).joined(separator: "/")
        return "/\(tests)/Support/\(name)"
    }

    private var environment: [String: String] { ["DOCKER_HOST": "unix://\(socket)"] }

    // MARK: - Commands

    /// `docker WORDS…` or `podman WORDS…`
    @discardableResult
    public func command(
        _ words: String..., seconds: Double = 60
    ) throws -> (status: Int, output: String, errors: String) {
        try command(words, seconds: seconds)
    }

    @discardableResult
    public func command(
        _ words: [String], seconds: Double = 60
    ) throws -> (status: Int, output: String, errors: String) {
        try run(client, clientWords + words, environment: environment, seconds: seconds)
    }

    /// Starts a server.
    ///
    /// - Parameters:
    ///   - address: of 127.0.0.0/8; its port is 8080.
    ///   - labels: beside `staithe.address`.
    ///   - settings: of the server: `MODE=graceful`.
    ///   - options: of `docker run`.
    ///   - image: the one with a health check, or without.
    public func start(
        _ name: String, at address: String, labels: [String], settings: [String] = [],
        options: [String] = [], image: String = RealEngine.image
    ) throws {
        var words = ["run", "-d", "--name", name, "--network", "host"]
        words += ["-e", "ADDR=\(address):8080", "-e", "NAME=\(name)"]
        for setting in settings { words += ["-e", setting] }
        // Podman tells no port of a container that shares the network of the host.
        let own = ["staithe.address=\(address)"] + (kind == .podman ? ["staithe.port=8080"] : [])
        for label in own + labels { words += ["-l", label] }
        let result = try command(words + limits + options + [image])
        guard result.status == 0 else { throw Unavailable(description: result.errors) }
    }

    /// Everything that a container has written.
    public func log(of name: String) -> String {
        let result = try? command("logs", name)
        return (result?.output ?? "") + (result?.errors ?? "")
    }

    // MARK: - Accidents

    /// Ends the engine and starts it again; with live restore its containers serve meanwhile.
    public func restart() throws {
        daemon.withLock { $0.terminate() }
        _ = daemon.withLock { $0 }.waitForEnd(seconds: 30)
        guard let program = Machine.program(kind == .docker ? "dockerd" : "podman") else { return }
        let next = try Self.start(kind, program, directory, liveRestore: isLiveRestoring)
        daemon.withLock { $0 = next }
        // The engine outlives its containers, so that they can be taken away: props are stopped
        // in the reverse order, and the new process is the newest.
        Props.keep(self)
        guard waitUntilAnswering() else {
            throw Unavailable(description: "\(kind) does not come back: \(next.log)")
        }
    }

    public func stop() {
        let ids =
            (try? command("ps", "-aq"))?.output.split(separator: "\n").map { String($0) } ?? []
        if !ids.isEmpty { _ = try? command(["rm", "-f"] + ids, seconds: 120) }
        daemon.withLock { $0.terminate() }
        _ = daemon.withLock { $0 }.waitForEnd(seconds: 30)
    }
}
