import HTTP2
import Testing

@Suite struct SessionTests {}
