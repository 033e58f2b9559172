public import Linux
import Reactor
public import Telemetry

/// Where the loops begin: the worker, specialised for the real kernel.
public enum Serving {
    /// Runs one loop on the calling thread until it has drained.
    ///
    /// - Throws: what `epoll_create1(2)` says.
    public static func run(
        _ parameters: WorkerParameters, log: consuming AccessRecordWriter
    ) throws(Errno) {
        let kernel = try LinuxKernel(capacity: 512)
        var worker = Worker(kernel: kernel, parameters: parameters, log: log)
        worker.run()
    }
}
