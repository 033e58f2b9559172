import Timing
import YAML

/// The sections about the process itself.
extension ConfigurationReader {
    func readProcess(_ field: Field) {
        eachField(of: field.value, as: .named(.process), at: field.path) { field in
            switch field.key {
            case "workers":
                read(field, into: &configuration.process.workers) { text in
                    text == "auto"
                        ? .success(nil) : Value.integer(text, in: 1...1024).map { Optional($0) }
                }
            case "nameservers":
                configuration.process.nameServers = items(of: field, allowsOne: true)
                    .compactMap { value($0, example: "127.0.0.1:53", Value.nameServer) }
            case "absent_after":
                read(field, into: &configuration.process.absentAfter) {
                    Value.duration($0, allowsZero: true)
                }
            case "shutdown":
                read(field, into: &configuration.process.shutdown) {
                    Value.duration($0, allowsZero: true)
                }
            default: break
            }
        }
    }

    func readLog(_ field: Field) {
        eachField(of: field.value, as: .named(.log), at: field.path) { field in
            switch field.key {
            case "level":
                read(field, into: &configuration.log.level) {
                    Value.word($0, of: LogConfiguration.Level.self)
                }
            case "format":
                read(field, into: &configuration.log.format) {
                    Value.word($0, of: LogConfiguration.Format.self)
                }
            default: break
            }
        }
    }

    func readAccessLog(_ field: Field) {
        eachField(of: field.value, as: .named(.accessLog), at: field.path) { field in
            switch field.key {
            case "mode":
                read(field, into: &configuration.accessLog.mode) {
                    Value.word($0, of: AccessLogConfiguration.Mode.self)
                }
            case "slow":
                read(field, into: &configuration.accessLog.slow) { text in
                    Value.duration(text, allowsZero: true)
                }
            case "to":
                places.accessLog = location(field.value.place)
                read(field, into: &configuration.accessLog.destination) { text in
                    switch text {
                    case "stdout": .success(.stdout)
                    case "stderr": .success(.stderr)
                    case _ where text.contains("/"): .success(.file(text))
                    default:
                        .failure(
                            Value.wordMistake(
                                text, known: ["stdout", "stderr", "a path that begins with '/'"],
                                unsupported: ["syslog", "journal"]))
                    }
                }
            default: break
            }
        }
    }

    func readAdmin(_ field: Field) {
        eachField(of: field.value, as: .named(.admin), at: field.path) { field in
            switch field.key {
            case "socket":
                places.adminSocket = location(field.value.place)
                read(field, into: &configuration.admin.socket) { text in
                    if Value.isOff(text) { return .success(.off) }
                    // sockaddr_un holds 108 bytes with the zero at the end.
                    guard text.contains("/"), text.utf8.count <= 107 else {
                        return .failure(
                            ValueMistake(
                                .badPath, "is not a path for a socket",
                                help: "write a path of at most 107 bytes, such as "
                                    + "/run/staithe/admin.sock, or 'off'"))
                    }
                    return .success(.path(text))
                }
            case "socket_mode":
                read(field, into: &configuration.admin.socketMode, Value.fileMode)
            default: break
            }
        }
    }
}
