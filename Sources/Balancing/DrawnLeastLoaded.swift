extension Balancer {
    /// The least loaded of up to `drawCount` distinct servers, the first drawn on ties.
    func pickLeastLoaded<View: ServerView & ~Copyable & ~Escapable>(
        ofDrawn drawCount: Int, from view: borrowing View, in tier: Tier,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        var drawn = Drawn()
        var best: Int?
        var least = ServerLoad.none
        for _ in 0..<drawCount {
            guard
                let index = lottery.draw(from: view, in: tier, besides: drawn, random: &random)
            else { break }
            drawn.insert(index)
            // A server that filled up since it was drawn is still better than none.
            let weight = max(1, view.weight(index))
            let load = ServerLoad(inFlight: view.inFlight(index), weight: weight)
            if best == nil || load < least {
                best = index
                least = load
            }
        }
        return best
    }
}
