import Memory
import Testing

@Suite("Buffer: numbers")
struct BufferTests {
    private func text(_ write: (inout Buffer) -> Void) -> String {
        var buffer = Buffer(capacity: 64)
        write(&buffer)
        return String(decoding: (buffer.start..<buffer.end).map { buffer[$0] }, as: UTF8.self)
    }

    @Test("Decimal digits are those of the standard library")
    func decimal() {
        var numbers: [UInt64] = [0, 9, 10, 99, 100, 101, 200, 304, 999, 1000, .max]
        var power: UInt64 = 1
        for _ in 0..<19 {
            numbers += [power, power - 1, power + 1, power &* 7]
            power *= 10
        }
        for number in numbers {
            #expect(text { $0.append(decimal: number) } == "\(number)")
        }
    }

    @Test("Hexadecimal digits are those of the standard library, filled up to the width")
    func hexadecimal() {
        var random = SystemRandomNumberGenerator()
        var numbers: [UInt64] = [0, 9, 10, 15, 16, 0x0123_4567_89AB_CDEF, .max]
        for shift in 0..<64 { numbers.append(random.next() >> UInt64(shift)) }
        for number in numbers {
            let digits = String(number, radix: 16)
            #expect(text { $0.append(hexadecimal: number) } == digits)
            for width in 1...16 {
                let zeros = String(repeating: "0", count: max(0, width - digits.count))
                #expect(text { $0.append(hexadecimal: number, width: width) } == zeros + digits)
            }
        }
    }

    @Test("A number fills the block to its last byte")
    func lastByte() {
        var buffer = Buffer(capacity: 19)
        buffer.append(hexadecimal: 0xABCD, width: 16)
        buffer.append(decimal: 503)
        #expect(buffer.room == 0)
    }
}
