import Linux
import Testing

@Suite("Processors")
struct ProcessorsTests {
    private func quota(_ files: [String: String]) -> Int? {
        Processors.quota { path in files[path].map { Array($0.utf8) } }
    }

    @Test(
        "The unified hierarchy: a share of a CPU counts as one",
        arguments: [
            ("max 100000\n", nil), ("100000 100000\n", 1), ("150000 100000\n", 2),
            ("200000 100000\n", 2), ("50000 100000\n", 1), ("1000 1000000\n", 1),
            ("400000 50000", 8), ("", nil), ("100000", nil), ("x 100000", nil),
            ("0 100000", nil), ("100000 0", nil), ("-1 100000", nil),
        ] as [(String, Int?)])
    func unified(content: String, count: Int?) {
        let found = quota([
            "/proc/self/cgroup": "0::/app.slice/web\n",
            "/sys/fs/cgroup/app.slice/web/cpu.max": content,
        ])
        #expect(found == count)
    }

    @Test("The tightest of all groups above counts")
    func nested() {
        let files = [
            "/proc/self/cgroup": "0::/a/b/c\n",
            "/sys/fs/cgroup/a/b/c/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/a/b/cpu.max": "300000 100000\n",
            "/sys/fs/cgroup/a/cpu.max": "600000 100000\n",
        ]
        #expect(quota(files) == 3)
        // In a container, the root of its own namespace.
        #expect(
            quota(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "200000 100000"]) == 2)
    }

    @Test("The legacy hierarchy, whose controllers may share a mount")
    func legacy() {
        let groups = """
            12:memory:/docker/x
            4:cpu,cpuacct:/docker/x
            1:name=systemd:/docker/x
            0::/docker/x

            """
        var files = [
            "/proc/self/cgroup": groups,
            "/sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us": "250000\n",
            "/sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us": "100000\n",
        ]
        #expect(quota(files) == 3)
        files["/sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us"] = "-1\n"
        #expect(quota(files) == nil)
        // The container sees its group at the mount's root.
        files["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "100000\n"
        files["/sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "100000\n"
        #expect(quota(files) == 1)
    }

    @Test("Nothing to read, or nonsense, is no bound")
    func absent() {
        #expect(quota([:]) == nil)
        #expect(quota(["/proc/self/cgroup": ""]) == nil)
        #expect(quota(["/proc/self/cgroup": "nonsense\n::\n0:\n"]) == nil)
        #expect(quota(["/proc/self/cgroup": "0::/x:y\n"]) == nil)
        let colon = ["/proc/self/cgroup": "0::/x:y\n", "/sys/fs/cgroup/x:y/cpu.max": "100 100"]
        #expect(quota(colon) == 1)
    }

    @Test("This process may use at least one CPU, and no more than its affinity says")
    func usable() {
        #expect(Processors.allowedCount >= 1)
        #expect((1...Processors.allowedCount).contains(Processors.usableCount()))
    }
}
