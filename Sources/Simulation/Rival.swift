/// Other proxies, which the live bench can put into the place of ours.
public enum Rival: String, Sendable, CaseIterable, BitwiseCopyable {
    case nginx, haproxy, envoy

    /// The name that people write.
    public var title: String {
        switch self {
        case .nginx: "nginx"
        case .haproxy: "HAProxy"
        case .envoy: "Envoy"
        }
    }
}
