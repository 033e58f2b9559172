import Foundation
import Glibc
import Testing

/// A program that was started here, whose output is kept, and that is stopped by its own pid.
public final class ChildProcess: Prop {
    /// How it ended.
    public enum Ending: Sendable, Equatable {
        case exited(Int)
        case killed(signal: Int)
    }

    public struct StartFailure: Error, CustomStringConvertible {
        public var description: String
    }

    public let identifier: Int32
    private let directory = TemporaryDirectory()
    private let ending = Locked<Ending?>(nil)

    /// Starts `program`. A limit of descriptors, when given, holds for this process only. What it
    /// says goes to the paths that are given, else it is kept.
    public init(
        _ program: String, _ arguments: [String], environment: [String: String] = [:],
        descriptorLimit: Int? = nil, outputPath: String? = nil, errorPath: String? = nil
    ) throws {
        var words = [program] + arguments
        if let descriptorLimit {
            words = ["/bin/sh", "-c", "ulimit -n \(descriptorLimit) && exec \"$0\" \"$@\""] + words
        }
        words = ["/usr/bin/env"] + environment.map { "\($0.key)=\($0.value)" }.sorted() + words
        identifier = try Self.spawn(
            words, output: outputPath ?? directory.file("out"),
            errors: errorPath ?? directory.file("err"))
        Props.keep(self)
    }

    deinit { stop() }

    private static func spawn(_ words: [String], output: String, errors: String) throws -> Int32 {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        let flags = O_WRONLY | O_CREAT | O_APPEND
        unsafe posix_spawn_file_actions_addopen(&actions, 1, output, flags, 0o644)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, errors, flags, 0o644)
        // A test runner may ignore or block signals; the program must find them as a shell would
        // leave them.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&none)
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe []
        for word in words { unsafe arguments.append(strdup(word)) }
        unsafe arguments.append(nil)
        defer { for index in words.indices { unsafe free(arguments[index]) } }
        var pid: pid_t = 0
        let result = unsafe posix_spawn(&pid, words[0], &actions, &attributes, arguments, environ)
        guard result == 0 else {
            throw StartFailure(description: "cannot start \(words): error \(result)")
        }
        return pid
    }

    // MARK: What it said

    public var output: String { directory.read("out") }
    public var errors: String { directory.read("err") }
    /// Both, for the message of a test that fails.
    public var log: String { output + errors }

    // MARK: Its life

    /// How it ended; `nil` while it runs.
    public var end: Ending? {
        ending.withLock { ending in
            if ending == nil {
                var status: Int32 = 0
                if unsafe waitpid(identifier, &status, WNOHANG) == identifier {
                    let signal = Int(status & 0x7F)
                    ending =
                        signal == 0 ? .exited(Int(status >> 8) & 0xFF) : .killed(signal: signal)
                }
            }
            return ending
        }
    }

    public var isRunning: Bool { end == nil }

    /// Waits for the end; `nil` when it did not come in time.
    public func waitForEnd(seconds: Double = 20) -> Ending? {
        eventually(timeout: seconds) { !isRunning }
        return end
    }

    public func signal(_ number: Int32) {
        if isRunning { kill(identifier, number) }
    }

    /// The processes that it has started and that run.
    public var children: [Int32] {
        contents(ofFile: "/proc/\(identifier)/task/\(identifier)/children")
            .split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
    }

    /// Signals one of its ``children``.
    public func signal(_ number: Int32, toChild child: Int32) {
        if children.contains(child) { kill(child, number) }
    }

    public func terminate() { signal(SIGTERM) }
    public func hangUp() { signal(SIGHUP) }
    /// kill -9: no farewell.
    public func killAtOnce() {
        signal(SIGKILL)
        _ = waitForEnd()
    }
    /// SIGSTOP: its sockets stay open, and nobody answers.
    public func freeze() { signal(SIGSTOP) }
    public func thaw() { signal(SIGCONT) }
    /// Whether it stands still after ``freeze()``: all of its threads.
    public var isFrozen: Bool {
        let tasks = "/proc/\(identifier)/task"
        guard let threads = try? FileManager.default.contentsOfDirectory(atPath: tasks) else {
            return false
        }
        return threads.allSatisfy { thread in
            let state = contents(ofFile: "\(tasks)/\(thread)/stat").split(separator: ")").last
            return state?.split(separator: " ").first == "T"
        }
    }

    public func stop() {
        if isRunning { killAtOnce() }
    }

    /// What a sanitizer has found in this process fails the test, however the process ended.
    func tellOfSanitizers() {
        let report = errors
        guard report.contains("Sanitizer: ") else { return }
        Issue.record("\(report.suffix(8000))")
    }

    // MARK: Its size

    /// Resident bytes now.
    public var residentBytes: Int { kibibytes("VmRSS:") * 1024 }
    /// The most it ever had.
    public var highestResidentBytes: Int { kibibytes("VmHWM:") * 1024 }

    /// Resident bytes that are no file's: its heaps and stacks.
    public var anonymousBytes: Int { kibibytes("RssAnon:") * 1024 }
    public var threadCount: Int { kibibytes("Threads:") }

    /// Descriptors it has open.
    public var descriptorCount: Int {
        guard let directory = unsafe opendir("/proc/\(identifier)/fd") else { return 0 }
        defer { unsafe closedir(directory) }
        var count = -2  // . and ..
        while unsafe readdir(directory) != nil { count += 1 }
        return count
    }

    /// Seconds of processor time until now.
    public var processorSeconds: Double {
        let fields = contents(ofFile: "/proc/\(identifier)/stat").split(separator: ")").last ?? ""
        let words = fields.split(separator: " ")
        guard words.count > 12, let user = Double(words[11]), let system = Double(words[12]) else {
            return 0
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private func kibibytes(_ name: String) -> Int {
        for line in contents(ofFile: "/proc/\(identifier)/status").split(separator: "\n")
        where line.hasPrefix(name) {
            return Int(line.split(whereSeparator: { $0 == " " || $0 == "\t" })[1]) ?? 0
        }
        return 0
    }
}

/// Runs a program to its end.
public func run(
    _ program: String, _ arguments: [String], environment: [String: String] = [:],
    seconds: Double = 30
) throws -> (status: Int, output: String, errors: String) {
    let child = try ChildProcess(program, arguments, environment: environment)
    defer { child.stop() }
    guard case .exited(let status) = child.waitForEnd(seconds: seconds) else {
        throw ChildProcess.StartFailure(
            description: "\(program) \(arguments) did not end in \(seconds) s:\n\(child.log)")
    }
    return (status, child.output, child.errors)
}
