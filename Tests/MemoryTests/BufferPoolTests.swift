import Memory
import Testing

@Suite("Pool of blocks")
struct BufferPoolTests {
    /// Takes `count` blocks and gives them all back.
    private func wave(_ pool: inout BufferPool, _ size: BufferPool.Size, _ count: Int) {
        guard count > 0, let block = pool.take(size) else { return }
        wave(&pool, size, count - 1)
        pool.recycle(block)
    }

    @Test("What a load needs again and again stays; what a burst left behind goes")
    func trimming() {
        var pool = BufferPool(capacityBytes: 256 << 20)
        wave(&pool, .small, 1000)
        wave(&pool, .large, 100)
        #expect(pool.smallCount == 1000)
        #expect(pool.largeCount == 100)
        #expect(pool.outstandingUnits == 0)
        let hasSurplus = pool.hasSurplus
        #expect(hasSurplus)
        // The burst itself was what made them: none lay unused.
        pool.trim()
        #expect(pool.smallCount == 1000)
        // From now on 300 and 20 are enough.
        wave(&pool, .small, 300)
        wave(&pool, .large, 20)
        pool.trim()
        #expect(pool.smallCount == 300)
        #expect(pool.largeCount == 20)
        // And then nothing is asked for.
        pool.trim()
        pool.trim()
        #expect(pool.smallCount == 64)
        #expect(pool.largeCount == 4)
        let stillHasSurplus = pool.hasSurplus
        #expect(!stillHasSurplus)
    }

    @Test("No more is handed out than may be")
    func bound() {
        var pool = BufferPool(capacityBytes: 2 << 20)
        var blocks: [16 of Buffer] = .init { _ in pool.take(.large) ?? Buffer() }
        #expect(pool.outstandingUnits == 128)
        let (small, large) = (pool.take(.small) != nil, pool.take(.large) != nil)
        #expect(!small && !large)
        for index in 0..<16 { pool.recycle(exchange(&blocks[index], with: Buffer())) }
        #expect(pool.outstandingUnits == 0)
        let capacity = pool.take(.small)?.capacity
        #expect(capacity == BufferPool.smallByteCount)
    }
}
