# The console, from the repository's root: docker build --file infra/docker/console.Dockerfile
# --tag tercet-console . It serves files and calls no one. In the image are Node, the libraries that
# it is linked with, and the program: no shell, no other program.
# `pnpm images` builds and tries it.

FROM node:24.21.0-bookworm-slim@sha256:d6aa754f16b3197301076f047b5def2f02ea1dbbc2ca920407d46d7ec7f87b20 AS build
RUN npm install --global pnpm@12.21.0
WORKDIR /repo
# The install below is the whole of it: a script must not begin another.
ENV CI=true pnpm_config_verify_deps_before_run=false pnpm_config_store_dir=/pnpm/store
COPY . .
# No script of a package is run: they fetch programs that no step here uses.
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
    pnpm install --frozen-lockfile --ignore-scripts --filter tercet --filter "@tercet/console-server..."
RUN pnpm --filter "@tercet/console-server..." build
# The files of @tercet/console among it, with what they are compressed to.
RUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm --filter "@tercet/console-server" --prod deploy /app
RUN mkdir /image && ldd /usr/local/bin/node >/linked && grep --only-matching '/[^ ]*' /linked >/libraries && \
    xargs --arg-file=/libraries cp --parents --dereference --target-directory=/image /usr/local/bin/node

FROM scratch
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tercet-console" \
      org.opencontainers.image.description="The console of Tercet, a commerce core" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
COPY --from=build /image /
COPY LICENSE /
WORKDIR /app
# Root's, so that the process cannot change its own program.
COPY --from=build /app ./
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/node", "--enable-source-maps"]
CMD ["dist/main.js"]
