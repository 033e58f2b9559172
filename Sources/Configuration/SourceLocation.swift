/// A stretch of a configuration text, as an editor counts: lines and columns start at 1, columns
/// are Unicode scalars, and the end is the first position behind the stretch.
public struct SourceLocation: Equatable, Hashable, Sendable {
    public var file: String
    public var line: Int
    public var column: Int
    public var endLine: Int
    public var endColumn: Int

    public init(file: String, line: Int, column: Int, endLine: Int, endColumn: Int) {
        self.file = file
        self.line = line
        self.column = column
        self.endLine = endLine
        self.endColumn = endColumn
    }

    /// `file:line:column`, which terminals and editors make a link.
    public var link: String { "\(file):\(line):\(column)" }
}

extension SourceLocation: Comparable {
    public static func < (a: SourceLocation, b: SourceLocation) -> Bool {
        (a.line, a.column, a.endLine, a.endColumn) < (b.line, b.column, b.endLine, b.endColumn)
    }
}
