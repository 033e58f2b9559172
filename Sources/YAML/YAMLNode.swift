/// A stretch of a YAML text, as an editor counts: lines and columns start at 1, columns are
/// Unicode scalars, and the end is the first position behind the stretch.
public struct YAMLPlace: Equatable, Hashable, Sendable {
    public var line: Int
    public var column: Int
    public var endLine: Int
    public var endColumn: Int

    public init(line: Int, column: Int, endLine: Int, endColumn: Int) {
        self.line = line
        self.column = column
        self.endLine = endLine
        self.endColumn = endColumn
    }
}

/// One value of a YAML text with its place: raw text, a list or a map.
///
/// Nothing is typed here. `no`, `1e3` and `22:22` stay the text that was written; the reader of
/// the tree knows what it expects.
public struct YAMLNode: Equatable, Sendable {
    public enum Content: Equatable, Sendable {
        /// `isPlain` is false for quoted and block text.
        case scalar(String, isPlain: Bool)
        case list([YAMLNode])
        case map([YAMLEntry])
    }

    public var content: Content
    public var place: YAMLPlace

    public init(_ content: Content, at place: YAMLPlace) {
        self.content = content
        self.place = place
    }
}

/// One `key: value` of a map. Keys of one map are different: a second use is a problem and is
/// left out of the tree.
public struct YAMLEntry: Equatable, Sendable {
    public var key: String
    public var keyPlace: YAMLPlace
    public var value: YAMLNode

    public init(key: String, keyPlace: YAMLPlace, value: YAMLNode) {
        self.key = key
        self.keyPlace = keyPlace
        self.value = value
    }
}

/// Something in a YAML text that is refused, told so that the writer can repair it.
public struct YAMLProblem: Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        /// The text is not YAML; reading stopped here.
        case syntax
        /// The text is not UTF-8, or holds characters that nobody can see; nothing was read.
        case encoding
        /// The text is larger or nested deeper than is read.
        case tooLarge
        case duplicateKey
        /// Anchors, aliases, merge keys, tags, directives, second documents, keys that are not
        /// words: YAML, and refused.
        case refusedFeature
    }

    public var kind: Kind
    /// One sentence without a full stop.
    public var sentence: String
    public var place: YAMLPlace
    /// The edit to make.
    public var help: String?
    /// For ``Kind/duplicateKey``: the first use.
    public var firstPlace: YAMLPlace?

    public init(
        _ kind: Kind, _ sentence: String, at place: YAMLPlace, help: String? = nil,
        firstPlace: YAMLPlace? = nil
    ) {
        self.kind = kind
        self.sentence = sentence
        self.place = place
        self.help = help
        self.firstPlace = firstPlace
    }
}

/// What a YAML text holds, and all that is wrong with it.
public struct YAMLDocument: Equatable, Sendable {
    /// `nil` for a text without content, and for one that could not be read at all. When
    /// ``isComplete`` is false this is the part in front of the mistake.
    public var root: YAMLNode?
    /// In the order of the text.
    public var problems: [YAMLProblem]
    /// False after a problem that ends the reading.
    public var isComplete: Bool

    public init(root: YAMLNode?, problems: [YAMLProblem], isComplete: Bool) {
        self.root = root
        self.problems = problems
        self.isComplete = isComplete
    }
}
