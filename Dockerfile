# Any Debian-based image with Node 18 or newer and CA certificates; the image made here does not depend on it.
ARG BUILD_IMAGE=docker.io/library/node:24-bookworm

FROM ${BUILD_IMAGE} AS build
WORKDIR /gatehouse
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build
# What the executable links to (glibc and its loader), by the paths where the loader will look for it.
RUN mkdir -p /image/etc/ssl/certs \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && ldd dist/gatehouse | grep -o '/[^ ]*' | xargs cp --parents --dereference --target-directory /image \
 && cp dist/gatehouse /image/gatehouse

FROM scratch
LABEL org.opencontainers.image.title="gatehouse" \
      org.opencontainers.image.description="An API gateway that runs Kong's declarative configuration with the openid-connect plugin" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
# Bun does not look for the system's certificates by itself.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/gatehouse", "health"]
ENTRYPOINT ["/gatehouse"]
CMD ["start", "-c", "/kong.yaml"]
