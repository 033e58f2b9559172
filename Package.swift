// swift-tools-version: 6.3
import PackageDescription

/// Every Swift target is built to the same rules.
let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// The static binary has a bound (`make static`): there the large modules are compiled for size.
let isStatic = Context.environment["STAITHE_STATIC"] != nil

/// What a request runs through is compiled for speed, whatever the command line says of the rest.
///
/// `-cross-module-optimization` is worth 40 % of the instructions of a request: without it the
/// generic containers of `Memory` are not specialised in the modules that use them.
let house =
    common + [
        .unsafeFlags(
            ["-Xfrontend", "-O", "-cross-module-optimization"], .when(configuration: .release))
    ]

/// The same, but for the static binary, where the command line decides.
let largeModule =
    isStatic
    ? common + [.unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))]
    : house

/// `Memory` alone hands out spans of its own storage, which needs lifetime annotations.
let memoryRoom = house + [.enableExperimentalFeature("Lifetimes")]

/// Simulations are fast in an ordinary build, and small in the static one, which has a bound.
let simulationRoom =
    isStatic
    ? common
    : common + [.unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))]

/// Rooms that run seldom are compiled for size, and keep their code to themselves. A function that
/// takes a closure is there once, and not once for each: that is a tenth of `Configuration`.
let calmRoom =
    common + [
        .unsafeFlags(
            ["-Osize", "-Xllvm", "-sil-disable-pass=closure-specialize"],
            .when(configuration: .release))
    ]

/// One room of the house: a target, and the rooms of lower floors that it may use.
func room(
    _ name: String, uses dependencies: [Target.Dependency], settings: [SwiftSetting] = house
) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, of dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: house)
}

let package = Package(
    name: "staithe",
    products: [.executable(name: "staithe", targets: ["staithe"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        // Floor 0: C, seen from Swift.
        .systemLibrary(name: "CLinux"),
        .systemLibrary(
            name: "CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CNGHTTP2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .systemLibrary(
            name: "CCAres", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),

        // Floor 1: ground.
        room("Timing", uses: []),
        room("Memory", uses: [], settings: memoryRoom),
        room("Numerics", uses: [], settings: simulationRoom),

        // Floor 2: facts and decisions.
        room("Linux", uses: ["CLinux", "Timing", "Memory"]),
        room("HTTP", uses: ["Memory"]),
        room("YAML", uses: ["CLibYAML"], settings: calmRoom),
        room("Balancing", uses: ["Memory", "Timing"]),
        room("Health", uses: ["Timing"]),
        room("Telemetry", uses: ["Timing", "Memory"], settings: largeModule),
        room("Statistics", uses: ["Numerics"], settings: simulationRoom),
        room("Theory", uses: ["Numerics"], settings: simulationRoom),

        // Floor 3: crafts.
        room("HTTP1", uses: ["HTTP", "Memory"]),
        room("HTTP2", uses: ["CNGHTTP2", "HTTP", "Memory", "Timing"], settings: largeModule),
        room("TLS", uses: ["COpenSSL", "Linux", "Memory"], settings: largeModule),
        room("Preamble", uses: ["Linux", "Memory"], settings: largeModule),
        room("Reactor", uses: ["Linux", "Memory", "Timing"]),
        room(
            "Resolving", uses: ["CCAres", "CLinux", "Linux", "Timing"], settings: calmRoom),
        room(
            "Configuration", uses: ["YAML", "HTTP", "Balancing", "Timing"], settings: calmRoom),
        room(
            "Simulation",
            uses: ["Balancing", "Health", "Statistics", "Memory", "Numerics", "Timing"],
            settings: simulationRoom),

        // Floor 4: plans.
        room("Routing", uses: ["Configuration", "HTTP", "Memory"]),
        room(
            "Scenarios",
            uses: ["Simulation", "Configuration", "YAML", "Health", "Numerics", "Timing"],
            settings: calmRoom),
        room(
            "Discovery",
            uses: ["Configuration", "Resolving", "HTTP1", "HTTP", "Linux", "Memory", "Timing"],
            settings: calmRoom),

        // Floor 5: the fast side, and what is measured.
        room(
            "DataPlane",
            uses: [
                "Routing", "Configuration", "HTTP1", "HTTP2", "TLS", "Preamble", "Reactor",
                "HTTP", "Balancing", "Health", "Telemetry", "Linux", "Memory", "Timing",
            ], settings: largeModule),
        room(
            "Reporting",
            uses: ["Scenarios", "Simulation", "Balancing", "Statistics", "Theory"],
            settings: calmRoom),

        room(
            "LiveBench",
            uses: [
                "Simulation", "HTTP1", "HTTP2", "Reactor", "HTTP", "Balancing", "Health",
                "Statistics", "Linux", "Memory", "Timing",
            ], settings: calmRoom),

        // Floor 6: the calm side.
        room(
            "ControlPlane",
            uses: [
                "DataPlane", "Discovery", "Configuration", "HTTP1", "HTTP2", "TLS", "Preamble",
                "Reactor", "Resolving", "HTTP", "Balancing", "Health", "Telemetry", "Linux",
                "Memory", "Timing",
                .product(name: "Logging", package: "swift-log"),
            ], settings: calmRoom),

        // Floor 7: the executable.
        .executableTarget(
            name: "staithe",
            dependencies: [
                "ControlPlane", "LiveBench", "Reporting", "Scenarios", "Simulation",
                "Configuration", "Balancing", "TLS", "Linux", "Memory", "Timing",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: simulationRoom),

        // Tests: one folder per room, and the whole house.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: house),
        tests("MemoryTests", of: ["Memory"]),
        .target(
            name: "FuzzProperties",
            dependencies: ["HTTP2", "HTTP1", "Preamble", "HTTP", "Linux", "Memory", "Timing"],
            path: "Tests/FuzzTests/Properties", swiftSettings: house),
        .testTarget(
            name: "FuzzTests", dependencies: ["FuzzProperties"],
            path: "Tests/FuzzTests/Replay", swiftSettings: house),
        tests("HTTPTests", of: ["HTTP", "Memory"]),
        tests("HTTP1Tests", of: ["HTTP1", "HTTP", "Memory"]),
        tests("HTTP2Tests", of: ["FuzzProperties", "HTTP2", "HTTP", "Memory", "Timing"]),
        tests("PreambleTests", of: ["Preamble", "Linux", "Memory"]),
        tests("TLSTests", of: ["TLS", "Memory", "TestSupport"]),
        tests("BalancingTests", of: ["Balancing", "Timing"]),
        tests("HealthTests", of: ["Health", "Timing"]),
        tests("TelemetryTests", of: ["Telemetry", "Memory", "Timing"]),
        .testTarget(
            name: "ConfigurationTests", dependencies: ["Configuration", "Timing"],
            exclude: ["Golden"], swiftSettings: house),
        tests("LinuxTests", of: ["Linux", "Timing"]),
        tests("ReactorTests", of: ["Reactor", "Linux", "Timing"]),
        tests("ResolvingTests", of: ["Resolving", "Linux", "Timing", "TestSupport"]),
        .testTarget(
            name: "DiscoveryTests",
            dependencies: [
                "Discovery", "Balancing", "Configuration", "Resolving", "Linux", "Timing",
            ],
            exclude: ["Samples"], swiftSettings: house),
        tests(
            "ControlPlaneTests",
            of: ["ControlPlane", "Configuration", "HTTP", "Memory", "Telemetry", "Timing"]),
        tests("StatisticsTests", of: ["Statistics", "Numerics"]),
        tests("TheoryTests", of: ["Theory"]),
        tests(
            "SimulationTests",
            of: ["Simulation", "Balancing", "Health", "Statistics", "Theory", "Timing"]),
        tests(
            "ScenariosTests", of: ["Scenarios", "Simulation", "Configuration", "Health", "Timing"]),
        tests(
            "ReportingTests",
            of: ["Reporting", "Scenarios", "Simulation", "Balancing", "Statistics"]),
        tests(
            "LiveBenchTests", of: ["LiveBench", "Simulation", "Statistics", "Linux", "Timing"]),
        tests("RoutingTests", of: ["Routing", "Configuration", "HTTP", "Memory"]),
        tests("HouseTests", of: []),
        tests("IntegrationTests", of: ["TestSupport"]),
    ]
)
