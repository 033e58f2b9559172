public import Configuration
public import HTTP
public import Memory
public struct RouteTable: ~Copyable {
    public init(_ routes: [RouteConfiguration]) {}
    public func match(block: RawSpan, host: ByteRange, path: RawSpan, method: ByteRange, fields: borrowing FieldSection) -> Int? { nil }
}
