import HTTP
import Memory
import Testing

@Suite("Authorities")
struct AuthorityTests {
    private func parse(_ text: String) -> (host: String, port: UInt16)? {
        let bytes = FixedArray(text: ">" + text + "/a.b:1")
        let range = ByteRange(1, 1 + text.utf8.count)
        guard let authority = Authority(bytes.bytes, range) else { return nil }
        return (bytes.bytes.text(authority.hostRange), authority.port)
    }

    @Test(
        "have a host and may have a port",
        arguments: [
            ("example.com", "example.com", 0), ("example.com:80", "example.com", 80),
            ("example.com:", "example.com", 0), ("a", "a", 0), ("a:65535", "a", 65535),
            ("Example.COM.", "Example.COM", 0), ("example.com.:443", "example.com", 443),
            ("a-b_c~d.e0", "a-b_c~d.e0", 0), ("xn--bcher-kva.example", "xn--bcher-kva.example", 0),
            ("127.0.0.1:8080", "127.0.0.1", 8080), ("a:00080", "a", 80), ("", "", 0),
            ("[::1]", "[::1]", 0), ("[::]:1", "[::]", 1),
            ("[1:2:3:4:5:6:7:8]:80", "[1:2:3:4:5:6:7:8]", 80),
            ("[fe80::1:2]", "[fe80::1:2]", 0), ("[1::]", "[1::]", 0),
            ("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", 0),
            ("[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7::]", 0),
            ("[::2:3:4:5:6:7:8]", "[::2:3:4:5:6:7:8]", 0),
        ] as [(String, String, UInt16)])
    func valid(_ text: String, _ host: String, _ port: UInt16) throws {
        let authority = try #require(parse(text))
        #expect(authority.host == host)
        #expect(authority.port == port)
    }

    @Test("have 255 bytes at most, and a port")
    func length() throws {
        let labels = Array(repeating: String(repeating: "a", count: 50), count: 5)
        let name = labels.joined(separator: ".") + "c"
        #expect(name.utf8.count == 255)
        #expect(try #require(parse(name + ":65535")).host == name)
        #expect(try #require(parse(name + ".")).host == name)
        #expect(parse(name + "c") == nil)
        #expect(parse(String(repeating: "a", count: 60 << 10)) == nil)
    }

    @Test(
        "are refused when they could be read in two ways",
        arguments: [
            ":80", ".", "..", "a..b", ".a", "a b", "user@host", "user:pw@host", "a:b", "a:-1",
            "a:65536", "a:0", "a:000080", "a:80:80", "a,b", "a/b", "a\\b", "a%41", "a*", "a'b",
            "a;b",
            "a\u{e9}", "a\tb", "[::1", "::1", "[]", "[:]", "[:::]", "[1:2]", "[g::]", "[12345::]",
            "[1::2::3]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7:8::]", "[::1%25eth0]", "[v1.a]",
            "[::1]x", "[::1]80", "[::1.2.3]", "[::1.2.3.256]", "[::01.2.3.4]",
            "[1:2:3:4:5:6:7:1.2.3.4]", "[::1.2.3.4:5]", "a]", "a[", "[::1]:x",
        ])
    func invalid(_ text: String) {
        #expect(parse(text) == nil)
    }
}

@Suite("Path normalisation")
struct PathNormalizerTests {
    private func read(_ text: String, _ reading: PathReading) -> String? {
        let bytes = FixedArray(text: ">" + text + "/../%41")
        let range = ByteRange(1, 1 + text.utf8.count)
        var buffer = Buffer(capacity: 128)
        buffer.append("kept")
        guard PathNormalizer.append(bytes.bytes, range, reading, to: &buffer) else { return nil }
        let result = buffer.text
        return result.hasPrefix("kept") ? String(result.dropFirst(4)) : nil
    }

    private func traits(_ text: String, mergesSlashes: Bool = true) -> PathTraits {
        let bytes = FixedArray(text: ">" + text + "//.;%2F\\")
        return PathNormalizer.traits(
            bytes.bytes, ByteRange(1, 1 + text.utf8.count), mergesSlashes: mergesSlashes)
    }

    private func check(_ text: String, _ expected: String, mergesSlashes: Bool) {
        let reading: PathReading = mergesSlashes ? .mergesSlashes : []
        #expect(read(text, reading) == expected)
        #expect(read(expected, reading) == expected, "must be idempotent")
        let isNotNormal = traits(text, mergesSlashes: mergesSlashes).contains(.isNotNormal)
        #expect(isNotNormal == (text != expected))
        #expect(!traits(expected, mergesSlashes: mergesSlashes).contains(.isNotNormal))
    }

    @Test(
        "decodes what is unreserved and removes dot segments, merging slashes or not",
        arguments: [
            ("/", "/"), ("/a/b", "/a/b"), ("/a/./b", "/a/b"), ("/a/../b", "/b"),
            ("/../a", "/a"), ("/../../a", "/a"), ("/a/..", "/"), ("/a/.", "/a/"), ("/.", "/"),
            ("/..", "/"), ("/a/b/..", "/a/"), ("/a/b/../../..", "/"), ("/a/b/../c", "/a/c"),
            ("/%61", "/a"), ("/%2e%2E/a", "/a"), ("/b/%2e./a", "/a"), ("/a/.%2e", "/"),
            ("/%7Euser", "/~user"), ("/a%2Fb", "/a%2Fb"), ("/a%2F..", "/a%2F.."),
            ("/a%2f../b", "/a%2f../b"), ("/%", "/%"), ("/%4", "/%4"), ("/%zz", "/%zz"),
            ("/%2", "/%2"), ("/%25%36%31", "/%2561"), ("/...", "/..."), ("/.a", "/.a"),
            ("/..a/b", "/..a/b"), ("/a../b", "/a../b"), ("/.well-known/x", "/.well-known/x"),
            ("/a/./", "/a/"), ("/a/../", "/"), ("/a.b/c.d", "/a.b/c.d"), ("/./././", "/"),
            ("/long-path/of.many/segments", "/long-path/of.many/segments"), ("/%20", "/%20"),
            ("/a;b/../c", "/c"), ("/..;/a", "/..;/a"), ("/a\\..\\b", "/a\\..\\b"),
        ])
    func normalized(_ text: String, _ expected: String) {
        check(text, expected, mergesSlashes: false)
        check(text, expected, mergesSlashes: true)
    }

    @Test(
        "a slash behind a slash is none, or an empty segment",
        arguments: [
            ("//", "/", "//"), ("/a//b", "/a/b", "/a//b"), ("/a//../b", "/b", "/a/b"),
            ("//..", "/", "/"), ("//admin/x", "/admin/x", "//admin/x"),
            ("/.//admin/x", "/admin/x", "//admin/x"), ("/a/.//b", "/a/b", "/a//b"),
            ("/a/..//b", "/b", "//b"), ("///a///", "/a/", "///a///"),
            ("/1234567//a", "/1234567/a", "/1234567//a"), ("/123456//a", "/123456/a", "/123456//a"),
            ("/a%2F/b", "/a%2F/b", "/a%2F/b"), ("/a//.", "/a/", "/a//"),
        ])
    func slashes(_ text: String, _ merged: String, _ kept: String) {
        check(text, merged, mergesSlashes: true)
        check(text, kept, mergesSlashes: false)
    }

    @Test(
        "finds what servers read in different ways",
        arguments: [
            ("/a%2Fb", .hasOtherSlashes), ("/a%5cb", .hasOtherSlashes),
            ("/a\\b", .hasOtherSlashes), ("/a;b/c", .hasParameters),
            ("/a;%2f", [.hasParameters, .hasOtherSlashes]), ("/a%3Bb", []), ("/a%252Fb", []),
            ("/123456789;", .hasParameters), ("/a/b-c_d~e", []),
        ] as [(String, PathTraits)])
    func ambiguous(_ text: String, _ expected: PathTraits) {
        #expect(traits(text) == expected)
        #expect(traits(text, mergesSlashes: false) == expected)
    }

    @Test(
        "reads a path as a server that decodes slashes and leaves out parameters",
        arguments: [
            ("/admin%2Fx", .decodesSlashes, "/admin/x"), ("/a%5c..%5Cb", .decodesSlashes, "/b"),
            ("/a\\b", .decodesSlashes, "/a/b"), ("/admin;a/x", .dropsParameters, "/admin/x"),
            ("/a/..;x/b;", .dropsParameters, "/b"), ("/a;b%2Fc/d", .dropsParameters, "/a/d"),
            ("/p;%2f..%2fadmin", .decodesSlashes, "/admin"),
            ("/a;b%2Fc/d", [.dropsParameters, .decodesSlashes], "/a/d"),
            (
                "/a;b%2Fc/d", [.dropsParameters, .decodesSlashes, .endsParametersAtDecoded],
                "/a/c/d"
            ),
            ("/a%2F%2Fb", [.decodesSlashes, .mergesSlashes], "/a/b"),
        ] as [(String, PathReading, String)])
    func readings(_ text: String, _ reading: PathReading, _ expected: String) {
        #expect(read(text, reading) == expected)
    }

    @Test("says so when there is no room")
    func room() {
        let bytes = FixedArray(text: "/a/../b")
        var buffer = Buffer(capacity: 6)
        let fits = PathNormalizer.append(bytes.bytes, all("/a/../b"), [], to: &buffer)
        let count = buffer.count
        #expect(!fits)
        #expect(count == 0)
    }
}
