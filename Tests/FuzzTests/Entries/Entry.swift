import FuzzProperties
import Glibc

/// What libFuzzer calls with each input. `FUZZ_PARSER` names the parser.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    do throws(BrokenProperty) {
        try parser.check(bytes)
    } catch {
        print("broken property of \(parser): \(error)")
        // Not through a trap: the words must be out before.
        unsafe fflush(stdout)
        abort()
    }
    return 0
}

private let parser: FuzzedParser = {
    let name = unsafe getenv("FUZZ_PARSER").map { unsafe String(cString: $0) } ?? ""
    guard let parser = FuzzedParser(rawValue: name) else {
        preconditionFailure("FUZZ_PARSER is '\(name)'")
    }
    return parser
}()
