/// A container of a ``FakeEngine``: a port of 127.0.0.1, with its labels.
public struct FakeContainer: Sendable {
    public var id: String
    public var name: String
    public var port: UInt16
    public var labels = ["staithe.service": "app", "staithe.address": "127.0.0.1"]
    public var status = "running"
    public var startedAt = "2026-11-23T18:17:18.988068379Z"
    /// TCP ports that its image exposes.
    public var exposed: [UInt16] = []

    public init(_ name: String, _ port: UInt16, seed: Character = "a") {
        id = String(repeating: seed, count: 64)
        self.name = name
        self.port = port
        labels["staithe.port"] = "\(port)"
    }

    private var labelText: String {
        labels.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\"\($0.value)\"" }
            .joined(separator: ",")
    }

    private var exposedText: String {
        exposed.map { "\"\($0)/tcp\":{}" }.joined(separator: ",")
    }

    /// As an entry of a list.
    public var listed: String {
        """
        {"Id":"\(id)","Names":["/\(name)"],"Image":"web:1","Labels":{\(labelText)},\
        "State":"\(status)","Status":"Up","HostConfig":{"NetworkMode":"host"},\
        "NetworkSettings":{"Networks":{"host":{"IPAddress":""}}},"Ports":[]}
        """
    }

    /// As the answer about this one.
    public var inspected: String {
        """
        {"Id":"\(id)","Name":"/\(name)","State":{"Status":"\(status)",\
        "StartedAt":"\(startedAt)"},"HostConfig":{"NetworkMode":"host"},\
        "Config":{"Image":"web:1","Labels":{\(labelText)},"Env":["SECRET=x"],\
        "ExposedPorts":{\(exposedText)}},\
        "NetworkSettings":{"Networks":{"host":{"IPAddress":""}}}}
        """
    }

    public func event(_ action: String, _ more: String = "") -> String {
        """
        {"Type":"container","Action":"\(action)","Actor":{"ID":"\(id)","Attributes":\
        {\(labelText),"name":"\(name)","image":"web:1"\(more)}},"timeNano":1}
        """
    }
}

extension FakeEngine {
    /// These run, and no others.
    public func show(_ containers: [FakeContainer]) {
        setList("[" + containers.map(\.listed).joined(separator: ",") + "]")
        for container in containers { setInspection(container.inspected, of: container.id) }
    }
}
