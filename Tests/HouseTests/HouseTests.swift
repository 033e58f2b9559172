import Foundation
import Testing

/// The rules of the house that a compiler does not know.
@Suite("The house")
struct HouseTests {
    /// Read once for all tests.
    private static let shared = Result { try House() }

    let house: House

    init() throws { house = try Self.shared.get() }

    /// Modules of the toolchain that any room may import.
    private let open: Set<String> = ["Swift", "Synchronization"]
    /// Modules of the toolchain that some rooms may import.
    private let reserved: [String: Set<String>] = [
        "FoundationEssentials": ["ControlPlane", "staithe"],
        "Glibc": ["Linux", "Memory", "TLS", "HTTP2", "Resolving"],
    ]

    private func sources(except rooms: Set<String> = []) -> [House.File] {
        house.sources.filter { !rooms.contains($0.room) }
    }

    private func none(
        of pattern: Regex<Substring>, in files: [House.File], because reason: Comment,
        inComments: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let places = files.flatMap { $0.places(of: pattern, inComments: inComments) }
        #expect(
            places.isEmpty, "\(reason)\n\(places.joined(separator: "\n"))",
            sourceLocation: sourceLocation)
    }

    // MARK: Floors

    @Test("The plan is readable, and has the rooms that this test relies on")
    func plan() {
        #expect(house.rooms.count >= 17)
        #expect(house.room("Memory")?.floor == 1)
        #expect(house.room("HTTP1")?.uses == ["HTTP", "Memory"])
        #expect(house.room("ControlPlane")?.uses.contains("Logging") ?? false)
        #expect(house.room("staithe")?.floor == 7)
        #expect(house.sources.count > 10)
    }

    @Test("Every folder of Sources is in Package.swift, and every room has files")
    func folders() throws {
        let folders = try house.directories(in: "Sources")
        #expect(Set(folders) == Set(house.rooms.map(\.name)))
        for room in house.rooms where room.floor > 0 {
            #expect(house.sources.contains { $0.room == room.name }, "\(room.name) is empty")
        }
    }

    @Test("A room uses rooms of lower floors only")
    func floors() {
        for room in house.rooms {
            for name in room.uses {
                guard let other = house.room(name) else { continue }
                #expect(
                    other.floor < room.floor,
                    "\(room.name) on floor \(room.floor) uses \(name) on floor \(other.floor)")
            }
        }
    }

    @Test("A file imports what Package.swift lists for its room, and nothing else")
    func imports() {
        for file in house.sources {
            guard let room = house.room(file.room) else { continue }
            for name in file.imports {
                let isReserved = reserved[name]?.contains(room.name) ?? false
                #expect(
                    room.uses.contains(name) || open.contains(name) || isReserved,
                    "\(file) imports \(name)")
            }
        }
    }

    @Test("A room imports every room that Package.swift lists for it")
    func unusedDependencies() {
        for room in house.rooms where room.floor > 0 {
            let imported = Set(house.sources.filter { $0.room == room.name }.flatMap(\.imports))
            let unused = room.uses.subtracting(imported)
            #expect(unused.isEmpty, "\(room.name) does not import \(unused.sorted())")
        }
    }

    // MARK: Words

    @Test("No full Foundation in the product")
    func foundation() {
        for file in house.sources {
            #expect(!file.imports.contains("Foundation"), "\(file) imports Foundation")
        }
    }

    @Test("Unsafe code lives in named rooms")
    func unsafeRooms() {
        let rooms: Set<String> = ["Memory", "Linux", "YAML", "TLS", "HTTP2", "Resolving"]
        let files = sources(except: rooms).filter {
            $0.path != "Sources/ControlPlane/ControlExecutor.swift"
        }
        none(of: /(?i)unsafe/, in: files, because: "unsafe outside of \(rooms.sorted())")
        none(
            of: /nonisolated\(unsafe\)|unowned\(unsafe\)/, in: house.sources,
            because: "not allowed anywhere")
        none(
            of: /@unchecked Sendable/, in: sources(except: ["Memory", "Linux", "TLS", "HTTP2"]),
            because: "unchecked promises about threads")
        none(of: /@_lifetime/, in: sources(except: ["Memory"]), because: "lifetimes are Memory's")
    }

    @Test("Nothing below the control plane waits")
    func concurrency() {
        let files = house.sources.filter { (house.room($0.room)?.floor ?? 0) < 6 }
        none(of: /\b(?:async|await|actor|Task)\b/, in: files, because: "the fast side never waits")
    }

    @Test("No trap that is not a precondition")
    func traps() {
        none(
            of: /\btry!|\bas!|\bfatalError\b/, in: house.sources + house.tests,
            because: "a precondition says what must be true")
    }

    @Test("public is the only door")
    func doors() {
        none(
            of: /@inlinable|@_specialize|@_transparent/, in: house.sources,
            because: "cross-module optimization does it")
        none(
            of: /@testable/, in: house.files.filter { $0.room != "HouseTests" },
            because: "test through the public door")
        none(
            of: /^package |\spackage (?:func|var|let|struct|enum|class|init)/, in: house.sources,
            because: "say public")
    }

    @Test("No names that say nothing")
    func names() {
        let declared =
            #/
            \b (?:struct | class | enum | actor | protocol) \ \w*
            (?:Manager | Helper | Helpers | Util | Utils | Utility) \b
            /#
        none(
            of: declared, in: house.sources + house.tests,
            because: "if the noun is missing, the design is")
    }

    @Test("What is left to do has an issue")
    func marks() {
        let mark = "TO" + "DO|FIX" + "ME|XX" + "X|HA" + "CK"
        for file in house.files where !file.path.hasPrefix("Tests/HouseTests/") {
            for (index, line) in file.lines.enumerated() {
                guard line.range(of: "\\b(\(mark))\\b", options: .regularExpression) != nil else {
                    continue
                }
                #expect(
                    line.firstMatch(of: /#\d+/) != nil, "\(file):\(index + 1) has no issue: \(line)"
                )
            }
        }
    }

    // MARK: Text

    @Test("A citation has one form: RFC 9112 §6.3")
    func citations() {
        let malformed =
            #/
            \bRFC-?\d | RFC\ \  | RFC\ \d{1,2}\b
            | RFC\ \d{3,5},?\ *(?i:sections?|sec\.|s\.)\ *\d
            | RFC\ \d{3,5}(?:,\ *|\ *§\ +)\d
            | RFC\ \d{3,5}§
            | RFC\ \d{3,5}\ \d+\.\d
            | RFC\ \d{3,5}\ §[^0-9A-Z]
            /#
        for file in house.files where !file.path.hasPrefix("Tests/HouseTests/") {
            for (index, line) in file.lines.enumerated() {
                if let match = line.firstMatch(of: malformed) {
                    Issue.record("\(file):\(index + 1): '\(line[match.range])…' in: \(line)")
                }
            }
        }
    }

    @Test("Lines end by column 100, without spaces behind them; files end with a newline")
    func layout() {
        for file in house.files {
            #expect(file.text.hasSuffix("\n"), "\(file) does not end with a newline")
            #expect(!file.text.hasSuffix("\n\n"), "\(file) ends with an empty line")
            for (index, line) in file.lines.enumerated() {
                #expect(line.count <= 100, "\(file):\(index + 1) has \(line.count) columns")
                #expect(line.last?.isWhitespace != true, "\(file):\(index + 1) ends with a space")
                #expect(!line.contains("\t"), "\(file):\(index + 1) has a tab")
            }
        }
    }

    @Test("Everything that a build leaves behind is ignored by git")
    func ignored() throws {
        let text = try String(
            contentsOf: house.root.appendingPathComponent(".gitignore"), encoding: .utf8)
        for name in [".build", "Package.resolved"] { #expect(text.contains(name)) }
    }

    @Test("No path of one machine in what is checked in")
    func paths() {
        none(
            of: /\/(?:home|root|work)\/[a-z]/,
            in: house.files.filter { !$0.path.contains("HouseTests") },
            because: "name it, do not point at it", inComments: true)
    }

    // MARK: The tools of this test

    @Test("Comments and strings are not code")
    func codeOnly() {
        let text = """
            let a = "unsafe \\" await" // unsafe
            /* await
            */ let b = #"as! "quoted" "# ; let c = 1
            """
        let code = House.codeOnly(text)
        for word in ["unsafe", "await", "as!", "quoted"] { #expect(!code.contains(word)) }
        #expect(code.contains("let a ="))
        #expect(code.contains("let c = 1"))
        #expect(code.split(separator: "\n").count == text.split(separator: "\n").count)
    }
}
