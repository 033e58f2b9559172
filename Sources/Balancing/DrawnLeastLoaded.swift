extension Balancer {
    /// The least loaded of up to `drawCount` distinct servers, the first drawn on ties.
    mutating func pickLeastLoaded<View: ServerView & ~Copyable & ~Escapable>(
        ofDrawn drawCount: Int, from view: borrowing View, in tier: Tier,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        var drawn = Drawn()
        var best: Int?
        var least = ServerLoad.none
        for _ in 0..<drawCount {
            guard
                let draw = lottery.draw(from: view, in: tier, besides: drawn, random: &random)
            else { break }
            drawn.insert(draw.index)
            let load = ServerLoad(inFlight: view.inFlight(draw.index), weight: draw.weight)
            if best == nil || load < least {
                best = draw.index
                least = load
            }
        }
        return best
    }
}
