/// Why a text is not the value that stands at its key. The sentence is `'text' problem`.
public struct ValueMistake: Error {
    public var code: Diagnostic.Code
    public var problem: String
    public var help: String

    public init(_ code: Diagnostic.Code, _ problem: String, help: String) {
        self.code = code
        self.problem = problem
        self.help = help
    }
}

public typealias Parsed<Value> = Result<Value, ValueMistake>
