# The image of Staithe: one static binary, no shell, no distribution.
#
#   docker build -t staithe .
#   docker run -p 80:8080 staithe 8080 app:3000
#   docker run -p 80:8080 -v ./staithe.yaml:/etc/staithe/staithe.yaml:ro staithe
#
# `make image` makes the same final stage from a local build, without any registry.

FROM swift:6.3-bookworm AS build
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends \
    libyaml-dev libssl-dev libnghttp2-dev libc-ares-dev pkg-config make ca-certificates \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /staithe
COPY . .
RUN make static IMAGE_ROOT=/out image-root

FROM scratch
COPY --from=build /out/ /
# OpenSSL would look where Debian keeps them.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# Nobody: the ports are above 1024, and no capability is needed.
USER 65532:65532
# Writable even when the root is not: the admin socket, and what outlives a restart.
VOLUME ["/run/staithe", "/var/lib/staithe"]
EXPOSE 8080 8443
# SIGTERM finishes what is under way; see `process.shutdown`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=5s --retries=2 CMD ["/staithe", "health"]
LABEL org.opencontainers.image.title="staithe" \
    org.opencontainers.image.description="A load balancer that takes new servers while it runs" \
    org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["/staithe"]
CMD ["run"]
