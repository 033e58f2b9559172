import Configuration

/// Labels of another proxy, said with ours.
struct Translation: Equatable {
    struct Warning: Equatable {
        var sentence: String
        var help: String?
    }

    /// With our prefix.
    var labels: [String: String] = [:]
    /// What is to lead to the container, unless its own labels say that.
    var patterns: [ContainerLabels.Pattern] = []
    /// A way to the container was left out that may have kept people out.
    var isClosed = false
    var warnings: [Warning] = []
    /// Why nothing leads to it; told unless its own labels say which requests do.
    var closedBecause: Warning?

    mutating func set(_ label: String, _ value: String) {
        labels[ContainerReader.prefix + label] = value
    }

    mutating func warn(_ sentence: String, help: String? = nil) {
        warnings.append(Warning(sentence: sentence, help: help))
    }
}
