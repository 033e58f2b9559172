/// Why a text is not the value that stands at its key. The sentence is `'text' problem`.
struct ValueMistake: Error {
    var code: Diagnostic.Code
    var problem: String
    var help: String

    init(_ code: Diagnostic.Code, _ problem: String, help: String) {
        self.code = code
        self.problem = problem
        self.help = help
    }
}

typealias Parsed<Value> = Result<Value, ValueMistake>
