import Discovery
import Testing

@Suite("JSON, read step by step")
struct JSONReaderTests {
    /// What a text is: `nil` when it is JSON.
    private func mistake(_ text: String, depth: Int = 64) -> JSONReader.Mistake? {
        var reader = JSONReader(Array(text.utf8), maximumDepth: depth)
        do throws(JSONReader.Mistake) {
            try reader.skipValue()
            try reader.finish()
            return nil
        } catch {
            return error
        }
    }

    @Test("What is JSON is skipped")
    func valid() {
        for text in [
            "{}", "[]", " [ ] ", "null", "true", "false", "0", "-0", "-1.5e+10", "1E5", "\"\"",
            "\"\\u00e9\\n\\\\\\\"\"", "{\"a\":[1,{\"b\":null}],\"c\":\"d\"}", "[1,2 , 3]\n",
        ] {
            #expect(mistake(text) == nil, "\(text)")
        }
    }

    @Test("What is not JSON is refused")
    func invalid() {
        for text in [
            "{a:1}", "{\"a\" 1}", "{\"a\":1,}", "[1,]", "[1 2]", "01", "-", "1.", "1e", "+1",
            ".5", "tru e", "nul", "\"\u{01}\"", "\"\\x\"", "\"\\u12g4\"", "[]]", "{}{}", "'a'",
            "]", "}", ",", "\"\\", "{\"a\":}", "NaN", "truefalse",
        ] {
            #expect(mistake(text) != nil, "\(text)")
        }
    }

    @Test("Every beginning of a text is cut, and nothing else")
    func cut() {
        let text = "{\"a\":[1.5,true,null,\"\\u00e9\\n\"],\"b\":{\"c\":false}}"
        for count in 0..<text.utf8.count {
            #expect(mistake(String(text.prefix(count))) == .cut, "after \(count)")
        }
        #expect(mistake(text) == nil)
    }

    @Test("What is nested too deep is refused where it is")
    func deep() {
        let open = String(repeating: "[", count: 64)
        #expect(mistake(open + String(repeating: "]", count: 64)) == nil)
        #expect(mistake("[" + open) == .tooDeep(64))
        #expect(mistake(String(repeating: "[", count: 1_000_000)) == .tooDeep(64))
        #expect(mistake(String(repeating: "{\"a\":", count: 100)) == .tooDeep(320))
    }

    @Test("Texts are what was written, escapes and all")
    func texts() throws {
        for (written, meant) in [
            ("\"abc\"", "abc"), ("\"\\u00e9\"", "é"), ("\"\\ud83d\\ude00\"", "😀"),
            ("\"a\\tb\\/c\"", "a\tb/c"), ("\"é\\\"\"", "é\""),
        ] {
            var reader = JSONReader(Array(written.utf8))
            #expect(try reader.readText() == meant)
        }
        var other = JSONReader(Array("12".utf8))
        #expect(try other.readText() == nil)
        var lonely = JSONReader(Array("\"\\ud83d!\"".utf8))
        #expect(try lonely.readText() == "\u{FFFD}!")
    }

    @Test("Members are taken or skipped; other types have none")
    func members() throws {
        var reader = JSONReader(Array("{\"a\":1,\"b\":[\"x\",2],\"c\":null}".utf8))
        var seen: [String] = []
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "a": seen.append("a\(try reader.readInteger() ?? 0)")
            case "b":
                try reader.readArray { (reader) throws(JSONReader.Mistake) in
                    seen.append(try reader.readText() ?? "-")
                }
            default:
                try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                    seen.append(key)
                    try reader.skipValue()
                }
            }
        }
        try reader.finish()
        #expect(seen == ["a1", "x", "-"])
        var huge = JSONReader(Array("123456789012345678901234567890".utf8))
        #expect(try huge.readInteger() == nil)
    }
}
