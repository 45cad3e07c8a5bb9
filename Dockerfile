# One image for every process; compose or the orchestrator names the command.
# Built from exact versions with hashes; runs as a user without rights, on a read-only root.
# In production name the base by digest: --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:…

ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY requirements-build.lock requirements-runtime.lock ./
RUN python -m venv /build/tools \
    && /build/tools/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
    && python -m venv /app \
    && /app/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes -r requirements-runtime.lock
COPY . .
RUN for package in packages/client .; do \
        (cd $package && /build/tools/bin/python -m hatchling build -t wheel -d /build/dist) || exit 1; \
    done \
    && /app/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM ${PYTHON_IMAGE}
# SQLite's file is data/consensus.db below the working folder, unless DATABASE_URL says otherwise.
# A volume of certificates, mounted there, takes on the folder's owner.
RUN install -d -o 10001 -g 10001 /srv/data /srv/certs
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv
VOLUME /srv/data
USER 10001:10001
STOPSIGNAL SIGTERM
CMD ["python", "-m", "review_service"]
