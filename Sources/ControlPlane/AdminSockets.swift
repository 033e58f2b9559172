import Linux

/// Where admin sockets are, when nobody says.
public enum AdminSockets {
    private static let systemDirectory = "/run/staithe"

    /// The path for this process; makes its directory.
    ///
    /// A service of the system has `/run/staithe/admin.sock`, or a name of its own beside it
    /// when another one is there already; so has whoever was given that directory, as in our
    /// image. Everybody else, and the one-line command, has a path in a directory that only this
    /// user may enter.
    static func standardPath(for source: ConfigurationSource) throws(Errno) -> String {
        let process = ThisProcess.identifier
        var isSystems = false
        if case .file = source { isSystems = ThisProcess.user == 0 }
        if isSystems, File.isWritableDirectory("/run") {
            try File.makeDirectory(systemDirectory, mode: 0o755)
        }
        let isGiven = ThisProcess.user != 0 && File.isWritableDirectory(systemDirectory)
        if isGiven || isSystems && File.isWritableDirectory(systemDirectory) {
            let path = "\(systemDirectory)/admin.sock"
            return owner(of: path) == nil ? path : "\(systemDirectory)/admin-\(process).sock"
        }
        if let runtime = runtimeDirectory, File.isWritableDirectory(runtime) {
            return "\(runtime)/staithe-\(process).sock"
        }
        try File.makeDirectory(privateDirectory, mode: 0o700)
        // Somebody else may have made it before us.
        guard File.isPrivateDirectory(privateDirectory) else { throw .permissionDenied }
        return "\(privateDirectory)/\(process).sock"
    }

    private static var runtimeDirectory: String? {
        guard let path = ThisProcess.environment("XDG_RUNTIME_DIR"), path.hasPrefix("/") else {
            return nil
        }
        return path
    }

    private static var privateDirectory: String { "/tmp/staithe-\(ThisProcess.user)" }

    /// The sockets of this user and of the system that somebody answers on.
    public static func running() -> [String] {
        var paths = sockets(in: systemDirectory) { _ in true }
        if let runtimeDirectory {
            paths += sockets(in: runtimeDirectory) { $0.hasPrefix("staithe-") }
        }
        paths += sockets(in: privateDirectory) { _ in true }
        return paths
    }

    private static func sockets(in directory: String, _ isOurs: (String) -> Bool) -> [String] {
        File.names(in: directory).filter { $0.hasSuffix(".sock") && isOurs($0) }.sorted()
            .map { "\(directory)/\($0)" }
            .filter { isAlive($0) }
    }

    /// Sockets that we may not use belong to somebody alive, too.
    private static func isAlive(_ path: String) -> Bool {
        do throws(Errno) {
            _ = try UnixSocket.beginConnecting(to: path)
            return true
        } catch {
            // A process that accepts nothing has a full queue, and is alive all the same.
            return error == .permissionDenied || error == .again
        }
    }

    /// Who listens on a path: words for a sentence, `nil` for nobody.
    static func owner(of path: String) -> String? {
        do throws(Errno) {
            let socket = try UnixSocket.beginConnecting(to: path)
            return UnixSocket.peer(of: socket).map { " (pid \($0.process))" } ?? ""
        } catch {
            return error == .permissionDenied || error == .again ? "" : nil
        }
    }
}
