#!/bin/bash
# Installs what is missing, and nothing else: install.sh build|test|image|bench...
#
# Fast when everything is there. Debian and Ubuntu only; elsewhere it says what to install. The
# servers that the tests and the benchmark use are started by them: no system service is left on.
set -eu

wanted=()
has_library() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }
has_tool() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }
library() { if [ -e "$2" ] || has_library "$1"; then :; else wanted+=("$1"); fi; }
tool() { if has_tool "$2"; then :; else wanted+=("$1"); fi; }

for purpose in "${@:-build}"; do
    case "$purpose" in
    build)
        library libyaml-dev /usr/include/yaml.h
        library libssl-dev /usr/include/openssl/ssl.h
        library libnghttp2-dev /usr/include/nghttp2/nghttp2.h
        library libc-ares-dev /usr/include/ares.h
        tool pkg-config pkg-config
        ;;
    test)
        tool nginx-light nginx
        tool python3 python3
        tool curl curl
        tool openssl openssl
        tool nghttp2-client h2load
        tool nghttp2-server nghttpd
        tool docker.io dockerd
        tool podman podman
        tool gcc gcc
        tool etcd-server etcd
        tool etcd-client etcdctl
        tool kubernetes-client kubectl
        library python3-h2 /usr/lib/python3/dist-packages/h2/connection.py
        library python3-grpcio /usr/lib/python3/dist-packages/grpc/__init__.py
        ;;
    image)
        tool docker.io dockerd
        tool python3 python3
        library ca-certificates /etc/ssl/certs/ca-certificates.crt
        ;;
    bench)
        tool nginx-light nginx
        library libnginx-mod-stream /usr/lib/nginx/modules/ngx_stream_module.so
        tool haproxy haproxy
        tool wrk wrk
        tool openssl openssl
        tool nghttp2-client h2load
        tool python3 python3
        ;;
    *)
        echo "install.sh: unknown purpose '$purpose' (build, test, image, bench)" >&2
        exit 64
        ;;
    esac
done

if ! command -v swift >/dev/null; then
    echo "swift is missing: install the Swift 6.3 toolchain from https://swift.org/install" >&2
    exit 1
fi
if [ ${#wanted[@]} -eq 0 ]; then exit 0; fi

packages=$(printf '%s\n' "${wanted[@]}" | sort -u | tr '\n' ' ')
if ! command -v apt-get >/dev/null; then
    echo "Missing: ${packages% }. There is no apt-get here: please install them (names are" \
        "Debian's) and run this again." >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Missing: ${packages% }. Please run as root: apt-get install ${packages% }" >&2
        exit 1
    fi
    as_root=(sudo)
fi

# Debian starts what it installs, unless policy-rc.d forbids it (101: action not allowed).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi

echo "installing ${packages% }"
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null
}
# shellcheck disable=SC2086
if ! apt install -y --no-install-recommends $packages 2>/dev/null; then
    apt update
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $packages
fi

# Not at the next boot either.
for service in nginx haproxy etcd docker docker.socket containerd; do
    case " $packages" in *" ${service%.socket}"*)
        if [ -d /run/systemd/system ]; then
            "${as_root[@]}" systemctl disable --now "$service" >/dev/null 2>&1 || true
        fi
        ;;
    esac
done
