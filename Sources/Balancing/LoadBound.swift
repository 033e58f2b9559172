/// Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016): no server
/// has more in flight than c times the mean, by weight and rounded up; who is at the bound is
/// passed over, in the order of the key's preference.
///
/// Compared by cross-multiplication: below ⌈x⌉ is, for a whole number, below x.
struct LoadBound: BitwiseCopyable {
    /// c in percent, times the requests in flight with this one.
    private var share = 0
    /// 100 times the weight of all servers; 0 for no bound.
    private var whole = 0

    static var none: LoadBound { LoadBound() }

    private init() {}

    /// - Parameters:
    ///   - percent: c; more than 100.
    ///   - inFlight: the requests on all servers, without this one.
    ///   - weight: of all eligible servers together.
    init(percent: Int, inFlight: Int, weight: Int) {
        share = percent &* (inFlight &+ 1)
        whole = 100 &* weight
    }

    /// Whether a server may take one more.
    func admits(inFlight: Int, weight: Int) -> Bool {
        inFlight &* whole < share &* weight || whole == 0
    }

    func admits<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, _ index: Int
    ) -> Bool {
        whole == 0 || admits(inFlight: view.inFlight(index), weight: max(1, view.weight(index)))
    }
}
