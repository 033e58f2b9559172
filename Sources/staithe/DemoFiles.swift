import Configuration
import ControlPlane
import Linux
import TLS

/// What the HTTPS demo is made of: a certificate, its key, and a configuration that names them,
/// in a directory that is removed at the end.
struct DemoFiles {
    private let directory: String
    var certificate: String { "\(directory)/cert.pem" }
    private var key: String { "\(directory)/key.pem" }
    var configuration: String { "\(directory)/staithe.yaml" }

    init(port: UInt16, servers: [UInt16]) throws {
        guard let made = SelfSigned(names: ["DNS:localhost", "IP:127.0.0.1"], days: 30) else {
            throw Client.failure("no certificate could be made")
        }
        do throws(Errno) {
            directory = try File.makePrivateDirectory()
            let text = """
                # What the demo runs. `staithe run -c FILE` runs it again, as long as it is here.
                listeners:
                  web:
                    address: 127.0.0.1:\(port)
                    tls: { certificates: [{ cert: cert.pem, key: key.pem }] }
                services:
                  app: { servers: [\(servers.map(String.init).joined(separator: ", "))] }
                admin: { socket: \(directory)/admin.sock }

                """
            try File.writePrivately(made.certificate, to: certificate)
            try File.writePrivately(made.key, to: key)
            try File.writePrivately(Array(text.utf8), to: configuration)
        } catch {
            throw Client.failure("the demo's files cannot be written: \(error)")
        }
    }

    func remove() {
        for file in [certificate, key, configuration] { File.remove(file) }
        File.removeDirectory(directory)
    }
}
