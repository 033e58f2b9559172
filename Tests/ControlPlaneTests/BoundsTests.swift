import Configuration
import HTTP
import Memory
import Testing

/// The relations between what a configuration may ask for and what the code holds.
@Suite("Bounds")
struct BoundsTests {
    @Test("What may be kept for a peer fits in the block that keeps it")
    func heads() {
        #expect(Bounds.block == BufferPool.largeByteCount)
        #expect(Bounds.largestRequestHead <= Bounds.block)
        #expect(Bounds.largestResponseHead <= Bounds.block)
        #expect(Bounds.largestRedirect <= Bounds.block)
        #expect(Bounds.largestFixedAnswer <= Bounds.block)
    }

    @Test("A head of the largest limits fits in a connection's block, and so does its content")
    func input() {
        let head = Int(Bounds.requestLine.upperBound + Bounds.header.upperBound)
        #expect(head <= BufferPool.largeByteCount)
        #expect(Int(Bounds.retryBuffer.upperBound) < BufferPool.largeByteCount)
    }

    @Test("Hosts are as long for the parser as for the composer")
    func hosts() {
        #expect(Bounds.authority == Authority.maximumByteCount)
    }
}
