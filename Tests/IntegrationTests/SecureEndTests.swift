import TestSupport
import Testing

@Suite("TLS: nothing that was read is forgotten, nothing that is owed is left", .onStage)
struct SecureEndTests {
    @Test("Ciphertext that a socket did not take is sent", .enabled(if: Machine.canUnshare))
    func narrow() throws {
        let authority = try Authority()
        let certificate = try authority.certificate(["localhost"])
        let answer = try run(
            try #require(Machine.program("unshare")),
            [
                "--net", "/usr/bin/python3", Machine.support("tls_narrow.py"),
                ProxyProcess.executable, authority.directory.path, certificate.certificate,
                certificate.key, authority.file,
            ], seconds: 100)
        #expect(
            answer.output == """
                upload 1000000
                tunnel hello1000000
                tunnel hello1000000
                download 150000

                """, "\(answer)")
    }
}
