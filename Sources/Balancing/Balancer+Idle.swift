extension Balancer {
    /// Looks that one pick spends on the queue of idle servers.
    private static let idleLooks = 16

    /// A server that is idle, the one idle for longest first, each as often as its weight says;
    /// `nil` when this loop knows of none.
    mutating func takeIdle<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, random: inout some RandomNumberGenerator
    ) -> Int? {
        for _ in 0..<Self.idleLooks {
            guard let index = idle.take() else { return nil }
            // Another loop uses it, and will say when it is idle again.
            guard view.inFlight(index) == 0 else { continue }
            let weight = view.weight(index, in: tier)
            if weight >= heaviest { return index }
            if weight > 0, random.next().share(of: heaviest) < weight { return index }
            idle.add(index)
        }
        return nil
    }
}
