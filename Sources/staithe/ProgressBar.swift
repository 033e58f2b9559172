import Linux
import Timing

/// A line on the terminal that tells how far something is; nothing where there is no terminal.
struct ProgressBar {
    private static let width = 24

    private let began = Clock.monotonic()
    let isShown = StandardStream.error.isTerminal

    /// - Parameter share: of all, 0 to 1.
    func show(_ share: Double, note: String = "") {
        guard isShown else { return }
        let elapsed = (Clock.monotonic() - began).seconds
        let filled = min(Self.width, Int(share * Double(Self.width)))
        let bar =
            String(repeating: "█", count: filled)
            + String(repeating: "░", count: Self.width - filled)
        var left = ""
        if share > 0, elapsed > 1 {
            let seconds = Int((elapsed / share - elapsed).rounded(.up))
            left = seconds >= 90 ? ", about \(seconds / 60 + 1) min left" : ", \(seconds) s left"
        }
        write("\(bar) \(Int(share * 100)) %\(left)\(note)")
    }

    func say(_ text: String) { if isShown { write(text) } }

    func clear() { say("") }

    private func write(_ text: String) {
        _ = try? StandardStream.error.writeAvailable(Array("\r\u{1B}[K\(text)".utf8))
    }
}
