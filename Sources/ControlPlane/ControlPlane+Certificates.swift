import Configuration
import DataPlane
import Linux
import Logging
import TLS
import Timing

// Certificates are renewed by other programs, at night: their files are watched, and a pair that
// fits takes the place of the old one. What does not fit changes nothing and is said once.
extension ControlPlane {
    /// A renewal writes two files; between them they do not fit.
    private static let patience = Interval.seconds(1)
    private static let rotation = Interval.seconds(8 * 3600)
    private static let day = Int64(86_400)

    func watchCertificates() {
        loop.every(Self.rotation) { [unowned self] in ticketKeys.rotate() }
        loop.every(.seconds(Int(Self.day))) { [unowned self] in warnOfExpiry() }
        warnOfExpiry()
        renewCertificateWatchers()
    }

    /// After every change: other files may be named.
    func renewCertificateWatchers() {
        var paths: Set<String> = []
        for case let tls? in file.listeners.map(\.tls) where tls.watches {
            for certificate in tls.certificates {
                paths.insert(certificate.certificate)
                paths.insert(certificate.key)
                if tls.staplesOCSP { paths.insert(certificate.certificate + ".ocsp") }
            }
            if let authority = tls.clientCA { paths.insert(authority) }
        }
        for case let tls? in file.services.map(\.tls) {
            if tls.verifies, let authority = tls.ca { paths.insert(authority) }
            if let certificate = tls.certificate {
                paths.insert(certificate.certificate)
                paths.insert(certificate.key)
            }
        }
        guard paths != Set(certificateWatchers.map(\.path)) else { return }
        for watcher in certificateWatchers { watcher.stop() }
        certificateWatchers = paths.sorted().map { path in
            FileWatcher(path, loop: loop) { [unowned self] in certificateMayHaveChanged() }
        }
        for watcher in certificateWatchers { watcher.start() }
    }

    private func certificateMayHaveChanged() {
        guard !isStopping else { return }
        certificateNotices += 1
        // Each file of a directory tells of what happens there: all are read once.
        guard !isRenewalQueued else { return }
        isRenewalQueued = true
        enqueue { [unowned self] done in
            isRenewalQueued = false
            renewCertificates(isLastTry: false)
            done()
        }
    }

    private func renewCertificates(isLastTry: Bool) {
        do throws(Credentials.Failure) {
            let renewed = try Credentials(file, ticketKeys, keeping: credentials)
            certificateComplaint = nil
            let before = credentials.listeners
            let changes = renewed.changes(from: credentials)
            guard !changes.listeners.isEmpty || !changes.services.isEmpty else { return }
            let change = Change(
                file: file, live: live, addresses: [:], credentials: renewed, opened: [])
            _ = commit(change)
            for (name, tls) in renewed.listeners.sorted(by: { $0.key < $1.key })
            where tls.certificates != before[name]?.certificates {
                let names = tls.certificates.flatMap(\.names).joined(separator: ", ")
                log.info("listener \(name) has new certificates, for \(names)")
            }
            for name in changes.services {
                log.info("service \(name) has new certificates or authorities")
            }
            warnOfExpiry()
        } catch {
            guard isLastTry else {
                let notices = certificateNotices
                loop.after(Self.patience) { [unowned self] in
                    // What was seen to change since has tries of its own.
                    guard !isStopping, notices == certificateNotices else { return }
                    enqueue { [unowned self] done in
                        renewCertificates(isLastTry: true)
                        done()
                    }
                }
                return
            }
            guard certificateComplaint != error.problem.sentence else { return }
            certificateComplaint = error.problem.sentence
            let problem = error.problem
            log.error(
                "\(problem.sentence); the old certificates stay in use: \(problem.advice)")
        }
    }

    private func warnOfExpiry() {
        for (name, tls) in credentials.listeners.sorted(by: { $0.key < $1.key }) {
            for certificate in tls.certificates {
                let days = Self.daysLeft(certificate)
                guard days < 14 else { continue }
                let when = days < 0 ? "has expired" : "expires in \(days) days"
                log.warning(
                    "the certificate \(certificate.file) of listener \(name) \(when): renew it")
            }
        }
    }

    private static func daysLeft(_ certificate: CertificateFacts) -> Int {
        let left = certificate.notAfter - Clock.wall() / 1_000_000_000
        return Int(left >= 0 ? left / day : (left - day + 1) / day)
    }

    func certificateAnswers(
        of listener: ListenerConfiguration
    ) -> [StatusAnswer.Certificate]? {
        credentials.listeners[listener.name]?.certificates.map { certificate in
            StatusAnswer.Certificate(
                file: certificate.file, names: certificate.names,
                expires: WallTime.text(seconds: certificate.notAfter),
                daysLeft: Self.daysLeft(certificate))
        }
    }
}
