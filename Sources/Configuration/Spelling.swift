/// Looks for the word that was meant.
public enum Spelling {
    /// The candidate nearest to `word`, at most a third of the word away.
    public static func nearest(to word: String, among candidates: [String]) -> String? {
        let lowered = word.lowercased()
        let limit = max(1, word.unicodeScalars.count / 3)
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let distance = distance(lowered, candidate.lowercased())
            // A word of one or two letters is near to everything.
            guard distance <= limit, distance < max(2, candidate.unicodeScalars.count - 1) else {
                continue
            }
            if best.map({ distance < $0.distance }) ?? true { best = (candidate, distance) }
        }
        return best?.candidate
    }

    /// The optimal string alignment distance: insertions, deletions, substitutions and swaps of
    /// neighbours that turn `a` into `b`, no stretch being edited twice.
    static func distance(_ a: String, _ b: String) -> Int {
        let source = Array(a.unicodeScalars)
        let target = Array(b.unicodeScalars)
        guard !source.isEmpty, !target.isEmpty else { return max(source.count, target.count) }
        var twoAbove: [Int] = []
        var above = Array(0...target.count)
        for row in 1...source.count {
            var current = [row]
            for column in 1...target.count {
                let isSame = source[row - 1] == target[column - 1]
                var cost = min(above[column - 1] + (isSame ? 0 : 1), above[column] + 1)
                cost = min(cost, current[column - 1] + 1)
                if row > 1, column > 1, source[row - 1] == target[column - 2],
                    source[row - 2] == target[column - 1]
                {
                    cost = min(cost, twoAbove[column - 2] + 1)
                }
                current.append(cost)
            }
            twoAbove = above
            above = current
        }
        return above[target.count]
    }

    /// `a`, `a or b`, `a, b or c`.
    public static func list(_ words: [String], _ conjunction: String = "or") -> String {
        guard words.count > 1, let last = words.last else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " \(conjunction) \(last)"
    }
}
