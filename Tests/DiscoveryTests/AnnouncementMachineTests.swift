import Discovery
import Testing
import Timing

@Suite("An announcement, step by step")
struct AnnouncementMachineTests {
    private let start = LoopInstant(nanoseconds: 1_000_000_000)
    private let gone = EtcdMachine.Failure.unreachable("nobody answers")
    private let grant = EtcdAnswer.Grant(lease: 7, seconds: 9)

    private func standing(endpointCount: Int = 3) -> AnnouncementMachine {
        var machine = AnnouncementMachine(
            leaseSeconds: 9, endpointCount: endpointCount, needsLogin: false)
        _ = machine.begin()
        _ = machine.granted(grant, now: start)
        _ = machine.put(true, now: start)
        return machine
    }

    @Test("A lease, the key under it, and a renewal each third of its life")
    func ordinary() {
        var machine = AnnouncementMachine(leaseSeconds: 9, endpointCount: 1, needsLogin: true)
        #expect(machine.begin() == [.authenticate])
        #expect(machine.authenticated() == [.grant(seconds: 9)])
        #expect(
            machine.granted(grant, now: start) == [.put(lease: 7, isDraining: false, if: .always)])
        #expect(machine.put(true, now: start) == [.say("registered", isBad: false)])
        #expect(machine.wakeAt == start + .seconds(3))
        #expect(machine.woke(now: start + .seconds(3)) == [.renew(lease: 7)])
        #expect(machine.renewed(grant, now: start + .seconds(3)) == [.look])
        #expect(machine.looked(entry(7), now: start + .seconds(3)).isEmpty)
        #expect(machine.wakeAt == start + .seconds(6))
    }

    private func entry(_ lease: Int64) -> EtcdAnswer.KeyValue {
        EtcdAnswer.KeyValue(key: "/a", value: "x", revision: 30, lease: lease)
    }

    private func renewed() -> AnnouncementMachine {
        var machine = standing()
        _ = machine.woke(now: start + .seconds(3))
        _ = machine.renewed(grant, now: start + .seconds(3))
        return machine
    }

    @Test("A key that is gone is written again, if it still is gone")
    func deleted() {
        var machine = renewed()
        #expect(
            machine.looked(nil, now: start) == [
                .put(lease: 7, isDraining: false, if: .revision(0))
            ])
        var raced = machine
        #expect(machine.put(true, now: start) == [.say("registered again", isBad: false)])
        #expect(raced.put(false, now: start).isEmpty)
        #expect(raced.woke(now: start + .seconds(6)) == [.renew(lease: 7)])
    }

    @Test("A key that another one has taken is left alone, and its goodbye is not ours")
    func replaced() {
        var machine = renewed()
        let said = machine.looked(entry(8), now: start)
        guard case .say(let sentence, isBad: true)? = said.first, said.count == 1 else {
            Issue.record("\(said)")
            return
        }
        #expect(sentence.contains("taken over"))
        // Once, and until that one is gone.
        _ = machine.woke(now: start + .seconds(6))
        _ = machine.renewed(grant, now: start + .seconds(6))
        #expect(machine.looked(entry(8), now: start + .seconds(6)).isEmpty)
        var other = machine
        _ = machine.woke(now: start + .seconds(9))
        _ = machine.renewed(grant, now: start + .seconds(9))
        #expect(
            machine.looked(nil, now: start + .seconds(9)) == [
                .put(lease: 7, isDraining: false, if: .revision(0))
            ])
        #expect(
            other.leave(now: start + .seconds(9)) == [
                .hangUp, .put(lease: 7, isDraining: true, if: .lease(7)),
            ])
        #expect(other.put(false, now: start + .seconds(9)) == [.drained])
        #expect(other.finish(now: start + .seconds(9)) == [.hangUp, .revoke(lease: 7)])
    }

    @Test("A key under a lease that we had before is still ours")
    func formerLease() {
        var machine = standing()
        _ = machine.woke(now: start + .seconds(3))
        _ = machine.renewed(EtcdAnswer.Grant(lease: 7, seconds: 0), now: start + .seconds(3))
        #expect(
            machine.granted(EtcdAnswer.Grant(lease: 8, seconds: 9), now: start + .seconds(3))
                == [.look])
        #expect(
            machine.looked(entry(7), now: start + .seconds(3)) == [
                .put(lease: 8, isDraining: false, if: .revision(30))
            ])
    }

    private let forbidden = EtcdMachine.Failure.refused(
        EtcdAnswer.Refusal(code: 7, message: "etcdserver: permission denied"))

    @Test("A role that may write and not read keeps its key, and its lease")
    func writeOnly() {
        var machine = renewed()
        #expect(machine.failed(forbidden, now: start + .seconds(3), chance: 0).isEmpty)
        #expect(machine.woke(now: start + .seconds(6)) == [.renew(lease: 7)])
        // Under another lease it writes without a look.
        _ = machine.renewed(EtcdAnswer.Grant(lease: 7, seconds: 0), now: start + .seconds(6))
        let granted = EtcdAnswer.Grant(lease: 8, seconds: 9)
        #expect(machine.granted(granted, now: start + .seconds(6)) == [.look])
        #expect(
            machine.failed(forbidden, now: start + .seconds(6), chance: 0) == [
                .put(lease: 8, isDraining: false, if: .always)
            ])
        _ = machine.put(true, now: start + .seconds(6))
        _ = machine.leave(now: start + .seconds(7))
        #expect(machine.failed(forbidden, now: start + .seconds(7), chance: 0) == [.drained])
    }

    @Test("A look that fails does not put the next renewal off")
    func lookFails() {
        var machine = renewed()
        let actions = machine.failed(gone, now: start + .seconds(4), chance: 0)
        #expect(actions == [.hangUp, .useNextEndpoint])
        #expect(machine.wakeAt == start + .seconds(6))
    }

    @Test("A renewal that fails is made again at the next member, before anything else")
    func renewalFails() {
        var machine = standing()
        #expect(machine.woke(now: start + .seconds(3)) == [.renew(lease: 7)])
        #expect(
            machine.failed(gone, now: start + .seconds(3), chance: 0) == [
                .hangUp, .useNextEndpoint, .renew(lease: 7),
            ])
    }

    @Test("It says that it ends, and gives the lease back at its end")
    func leaving() {
        var machine = standing()
        #expect(
            machine.leave(now: start) == [
                .hangUp, .put(lease: 7, isDraining: true, if: .lease(7)),
            ])
        #expect(machine.put(true, now: start) == [.drained])
        // A long farewell keeps the lease.
        #expect(machine.woke(now: start + .seconds(3)) == [.renew(lease: 7)])
        #expect(machine.renewed(grant, now: start + .seconds(3)).isEmpty)
        #expect(machine.finish(now: start + .seconds(4)) == [.hangUp, .revoke(lease: 7)])
        #expect(machine.revoked() == [.over])
        #expect(machine.wakeAt == nil)
    }

    @Test("A command that ends by itself takes the key with it")
    func sudden() {
        var machine = standing()
        #expect(machine.finish(now: start) == [.hangUp, .revoke(lease: 7)])
        #expect(machine.revoked() == [.over])
    }

    @Test("A lease that has ended is replaced, whoever noticed it")
    func lostLease() {
        var machine = standing()
        _ = machine.woke(now: start + .seconds(3))
        #expect(
            machine.renewed(EtcdAnswer.Grant(lease: 7, seconds: 0), now: start + .seconds(3)) == [
                .grant(seconds: 9)
            ])

        var other = standing()
        _ = other.woke(now: start + .seconds(3))
        let unknown = EtcdMachine.Failure.refused(
            EtcdAnswer.Refusal(code: 5, message: "requested lease not found"))
        #expect(
            other.failed(unknown, now: start + .seconds(3), chance: 0) == [
                .hangUp, .grant(seconds: 9),
            ])
    }

    @Test("While etcd is away it tries all members, says so once, and comes back with a new lease")
    func away() throws {
        var machine = standing()
        var now = start + .seconds(3)
        _ = machine.woke(now: now)
        var said = 0
        while now - start < .seconds(30) {
            let actions = machine.failed(gone, now: now, chance: 0.5)
            #expect(actions.prefix(2) == [.hangUp, .useNextEndpoint])
            said += actions.count { if case .say = $0 { true } else { false } }
            if let wake = machine.wakeAt, wake > now {
                now = wake
                _ = machine.woke(now: now)
            }
        }
        #expect(said == 1)
        // The old lease is over for long.
        #expect(
            machine.granted(EtcdAnswer.Grant(lease: 8, seconds: 9), now: now) == [.look])
        #expect(
            machine.looked(nil, now: now) == [
                .put(lease: 8, isDraining: false, if: .revision(0))
            ])
        #expect(machine.put(true, now: now) == [.say("registered again", isBad: false)])
    }

    @Test("With etcd away, the end is bounded")
    func farewell() {
        var machine = standing(endpointCount: 1)
        _ = machine.leave(now: start)
        _ = machine.failed(gone, now: start, chance: 0)
        let end = start + AnnouncementMachine.farewellPatience
        #expect(machine.woke(now: end) == [.drained])
        _ = machine.finish(now: end)
        _ = machine.failed(gone, now: end, chance: 0)
        let actions = machine.woke(now: end + AnnouncementMachine.farewellPatience)
        #expect(actions.last == .over)
    }

    @Test("One that never had a place ends at once")
    func neverStood() {
        var machine = AnnouncementMachine(leaseSeconds: 9, endpointCount: 1, needsLogin: false)
        _ = machine.begin()
        #expect(machine.leave(now: start) == [.hangUp, .drained])
        #expect(machine.finish(now: start) == [.hangUp, .over])
    }
}
