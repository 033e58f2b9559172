import CLinux
import Glibc

/// How many CPUs this process may use.
public enum Processors {
    /// The CPUs of its affinity mask, or fewer when a control group grants less time than
    /// theirs; at least 1. A share of a CPU counts as one.
    public static func usableCount() -> Int {
        let allowed = allowedCount
        return min(allowed, quota { path in try? File.read(path) } ?? allowed)
    }

    /// The CPUs of the affinity mask of the calling thread; at least 1.
    public static var allowedCount: Int { max(1, Int(linux_cpu_count())) }

    /// The CPUs that control groups grant, those above this process's own included; at least 1,
    /// `nil` for no bound.
    ///
    /// - Parameter readFile: the content of a file, `nil` when there is none.
    public static func quota(_ readFile: (String) -> [UInt8]?) -> Int? {
        guard let groups = readFile("/proc/self/cgroup") else { return nil }
        var bound: Int?
        for line in lines(groups) {
            // number:controllers:path (cgroups(7))
            let parts = line.split(
                separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",")
            var path = parts[2]
            while true {
                let found: Int?
                if parts[0] == "0" {
                    found = unified(readFile("/sys/fs/cgroup\(path)/cpu.max"))
                } else if controllers.contains("cpu") {
                    found = legacy(
                        readFile("/sys/fs/cgroup/cpu\(path)/cpu.cfs_quota_us"),
                        readFile("/sys/fs/cgroup/cpu\(path)/cpu.cfs_period_us"))
                } else {
                    break
                }
                if let found { bound = min(bound ?? found, found) }
                guard let slash = path.lastIndex(of: "/") else { break }
                path = path[..<slash]
            }
        }
        return bound
    }

    /// `150000 100000`, or `max 100000`.
    private static func unified(_ content: [UInt8]?) -> Int? {
        guard let content, let line = lines(content).first else { return nil }
        let words = line.split(separator: " ")
        guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]) else {
            return nil
        }
        return count(quota, period)
    }

    private static func legacy(_ quota: [UInt8]?, _ period: [UInt8]?) -> Int? {
        guard let quota, let period, let quotaLine = lines(quota).first,
            let periodLine = lines(period).first, let quota = Int(quotaLine),
            let period = Int(periodLine)
        else { return nil }
        return count(quota, period)
    }

    private static func count(_ quota: Int, _ period: Int) -> Int? {
        // -1 is no bound.
        guard quota > 0, period > 0 else { return nil }
        return max(1, (quota + period - 1) / period)
    }

    private static func lines(_ content: [UInt8]) -> [Substring] {
        String(decoding: content, as: UTF8.self).split(separator: "\n")
    }
}
