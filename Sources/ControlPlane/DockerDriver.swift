import Configuration
import Discovery

/// The containers of an engine that serve one service.
final class DockerDriver: SourceDriver {
    private let desk: SourceDesk
    init(_ configuration: DockerDiscovery, service: String, _ desk: SourceDesk) {
        self.desk = desk
    }
    func start() {}
    func stop() {}
}
