import YAML

extension ConfigurationReader {
    /// A path as the program opens it: relative ones count from the folder of this file, so that
    /// it does not matter where the program was started.
    private func resolved(_ path: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return String(file[...slash]) + path
    }

    func path(of field: Field, example: String) -> String? {
        text(of: field, example: example).map { resolved($0.text) }
    }

    // MARK: - Listeners

    func readTLS(
        _ field: Field, _ places: inout [ConfigurationPlaces.Place]
    ) -> ListenerConfiguration.TLS? {
        if isOff(field) { return nil }
        typealias TLS = ListenerConfiguration.TLS
        var tls = TLS()
        var clientCA: Field?
        var clientAuthentication: Field?
        var hasCertificates = false
        eachField(of: field.value, as: .named(.tls), at: field.path) { field in
            switch field.key {
            case "certificates":
                hasCertificates = true
                (tls.certificates, places) = readCertificates(field)
            case "watch": read(field, into: &tls.watches, Value.boolean)
            case "min_version":
                read(field, into: &tls.minimumVersion) { Value.word($0, of: TLS.Version.self) }
            case "ciphers": tls.ciphers = list(of: field)
            case "cipher_suites": tls.cipherSuites = list(of: field)
            case "groups": tls.groups = list(of: field)
            case "client_auth":
                clientAuthentication = field
                read(field, into: &tls.clientAuthentication) { text in
                    Value.isOff(text)
                        ? .success(.off) : Value.word(text, of: TLS.ClientAuthentication.self)
                }
            case "client_ca":
                clientCA = field
                tls.clientCA = path(of: field, example: "clients-ca.pem")
            case "ocsp":
                read(field, into: &tls.staplesOCSP) { text in
                    text == "file"
                        ? .success(true)
                        : Value.isOff(text)
                            ? .success(false)
                            : .failure(Value.wordMistake(text, known: ["file", "off"]))
                }
            case "session_tickets":
                read(field, into: &tls.usesTickets) { text in
                    text == "rotate"
                        ? .success(true)
                        : Value.isOff(text)
                            ? .success(false)
                            : .failure(Value.wordMistake(text, known: ["rotate", "off"]))
                }
            case "strict_sni": read(field, into: &tls.isStrict, Value.boolean)
            default: break
            }
        }
        guard case .map = field.value.content else { return nil }
        if !hasCertificates {
            missingKey(
                "certificates", in: field.value, path: field.path, at: field.keyPlace,
                help: "add 'certificates: [{ cert: fullchain.pem, key: privkey.pem }]'")
        }
        if let clientAuthentication, tls.clientAuthentication != .off, tls.clientCA == nil {
            report(
                .missingKey, "clients cannot be verified without 'client_ca'",
                at: clientAuthentication.value.place, path: clientAuthentication.path,
                help: "add 'client_ca: clients-ca.pem', the authority of their certificates")
        }
        if let clientCA, tls.clientAuthentication == .off {
            warn(
                .notUsedHere, "'client_ca' is not used while client_auth is off",
                at: clientCA.value.place, path: clientCA.path,
                help: "add 'client_auth: require', or remove this line")
        }
        return tls
    }

    /// An OpenSSL list; `nil` for `default`.
    private func list(of field: Field) -> String? {
        guard let text = text(of: field, example: "default")?.text, text != "default" else {
            return nil
        }
        return text
    }

    private func readCertificates(
        _ field: Field
    ) -> ([ListenerConfiguration.TLS.Certificate], [ConfigurationPlaces.Place]) {
        var certificates: [ListenerConfiguration.TLS.Certificate] = []
        var places: [ConfigurationPlaces.Place] = []
        let items = items(of: field)
        if items.isEmpty, case .list = field.value.content {
            report(
                .missingValue, "\(title(field.path)) is empty", at: field.value.place,
                path: field.path, help: "write at least one, with 'cert:' and 'key:'")
        }
        for item in items {
            guard let (certificate, place) = readCertificate(item) else { continue }
            if certificates.contains(certificate) {
                report(
                    .duplicateName, "this certificate is listed twice", at: item.value.place,
                    path: item.path, help: "remove one of them")
            }
            certificates.append(certificate)
            places.append(place)
        }
        return (certificates, places)
    }

    private func readCertificate(
        _ item: Field
    ) -> (ListenerConfiguration.TLS.Certificate, ConfigurationPlaces.Place)? {
        var certificate: String?
        var key: String?
        var place = item.value.place
        eachField(of: item.value, as: .named(.certificate), at: item.path) { field in
            switch field.key {
            case "cert":
                place = field.value.place
                certificate = path(of: field, example: "fullchain.pem")
            case "key": key = path(of: field, example: "privkey.pem")
            default: break
            }
        }
        guard case .map(let entries) = item.value.content else { return nil }
        for (name, example) in [("cert", "fullchain.pem"), ("key", "privkey.pem")]
        where !entries.contains(where: { $0.key == name }) {
            missingKey(
                name, in: item.value, path: item.path, at: item.value.place,
                help: "add '\(name): \(example)'")
        }
        guard let certificate, let key else { return nil }
        return (
            ListenerConfiguration.TLS.Certificate(certificate: certificate, key: key),
            ConfigurationPlaces.Place(location: location(place), keyPath: item.path)
        )
    }

    // MARK: - Services

    func readServerTLS(_ field: Field, into tls: inout ServiceConfiguration.TLS?) {
        if case .scalar(let text, _) = field.value.content {
            if Value.isOff(text) {
                tls = nil
                return
            }
            if text == "on" || text == "true" {
                tls = tls ?? ServiceConfiguration.TLS()
                return
            }
        }
        var result = tls ?? ServiceConfiguration.TLS()
        var certificate: String?
        var key: String?
        var verify: Field?
        eachField(of: field.value, as: .named(.serverTLS), at: field.path) { field in
            switch field.key {
            case "verify":
                verify = field
                read(field, into: &result.verifies, Value.boolean)
            case "ca":
                result.ca = path(of: field, example: "system")
                if text(of: field)?.text == "system" { result.ca = nil }
            case "server_name":
                result.serverName = value(field, Value.hostName)
            case "cert": certificate = path(of: field, example: "client.pem")
            case "key": key = path(of: field, example: "client.key")
            case "pins":
                result.pins = items(of: field, allowsOne: true).compactMap { value($0, Self.pin) }
            default: break
            }
        }
        if let verify, !result.verifies {
            warn(
                .conflict, "servers are not verified: whoever answers gets the requests",
                at: verify.value.place, path: verify.path,
                help: "give their authority with 'ca: internal-ca.pem' instead")
        }
        switch (certificate, key) {
        case (let certificate?, let key?):
            result.certificate = ListenerConfiguration.TLS.Certificate(
                certificate: certificate, key: key)
        case (nil, nil): break
        default:
            report(
                .missingKey, "\(title(field.path)) has a certificate without a key, or a key alone",
                at: field.keyPlace, path: field.path, help: "write both 'cert:' and 'key:'")
        }
        tls = result
    }

    private static func pin(_ text: String) -> Parsed<String> {
        let digits = text.lowercased()
        guard digits.utf8.count == 64,
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else {
            return .failure(
                ValueMistake(
                    .wrongType, "is not the SHA-256 of a public key",
                    help: "write 64 hexadecimal digits: openssl x509 -in cert.pem -pubkey -noout "
                        + "| openssl pkey -pubin -outform der | sha256sum"))
        }
        return .success(digits)
    }

    /// The servers of a service speak TLS, all of them or none.
    func checkSecurity(
        of service: inout ServiceConfiguration, _ serverPlaces: [ConfigurationPlaces.Place],
        at named: Field
    ) {
        let tlsPlace = place(of: named.path + ["tls"]) ?? place(of: ["defaults", "tls"])
        places.serviceTLS.append(
            tlsPlace.map {
                ConfigurationPlaces.Place(
                    location: location($0), keyPath: named.path + ["tls"])
            })
        let secureCount = service.servers.count { $0.address.isSecure }
        if secureCount > 0, service.tls == nil {
            service.tls = ServiceConfiguration.TLS()
            let plain = service.servers.firstIndex { !$0.address.isSecure }
            if let plain, plain < serverPlaces.count {
                report(
                    .conflict,
                    "of \(title(named.path)) some servers speak https, and this one does not",
                    at: named.keyPlace, path: named.path,
                    help: "write 'https://\(service.servers[plain].address)', or give those "
                        + "without TLS a service of their own",
                    notes: [Diagnostic.Note("this one", at: serverPlaces[plain].location)])
            }
        }
        // One notion for one service, however it was written.
        for index in service.servers.indices {
            service.servers[index].address.isSecure = service.tls != nil
        }
    }
}
