# One file, one target per service: docker build --target feed .
# An image holds Python, the packages of its own service's lock and its own code: nothing of another service, no compiler.
# Behind a package mirror: docker build --secret id=pip_conf,src=/path/to/pip.conf (Compose takes PIP_CONFIG_FILE).

FROM python:3.13-slim-trixie AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/app/bin:$PATH \
    PM_HTTP_HOST=0.0.0.0 \
    PM_DATA_DIR=/data
RUN groupadd --gid 10001 pm \
    && useradd --uid 10001 --gid pm --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pm \
    && install -d -o pm -g pm /data /run/pm /run/pm-control /run/pm-credentials
WORKDIR /data
HEALTHCHECK --interval=3s --timeout=3s --start-period=60s --retries=5 \
    CMD ["python", "-m", "pmcore.shell.service.container", "check"]

FROM base AS pip
ENV PIP_CACHE_DIR=/var/cache/pip
RUN python3 -m venv /build
COPY scripts/install_locked.py /build/

# Our own packages, built with the locked build backend.
FROM pip AS wheels
COPY requirements.lock /tmp/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/var/cache/pip \
    sed -n '/^setuptools==/,/^ *#/p' /tmp/requirements.lock >/tmp/build.lock \
    && /build/bin/python /build/install_locked.py /tmp/build.lock
COPY libs /src/libs
COPY services /src/services
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels \
    /src/libs/pmcore /src/libs/pmsim /src/services/*

# An empty environment, filled by the pip of another.
FROM pip AS builder
ENV PIP_PYTHON=/app \
    PIP_ONLY_BINARY=:all: \
    PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv --without-pip /app

FROM builder AS feed-build
RUN --mount=type=bind,source=services/feed/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/var/cache/pip \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock
RUN --mount=type=bind,source=services/feed/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock --no-index /wheels/pmcore-*.whl /wheels/pmfeed-*.whl

FROM base AS feed
COPY --from=feed-build /app /app
ENV PM_HTTP_PORT=8101
USER pm
CMD ["python", "-m", "pmcore.shell.service.container", "pmfeed"]

FROM builder AS strategy-build
RUN --mount=type=bind,source=services/strategy/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/var/cache/pip \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock
RUN --mount=type=bind,source=services/strategy/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock --no-index /wheels/pmcore-*.whl /wheels/pmstrategy-*.whl

FROM base AS strategy
COPY --from=strategy-build /app /app
ENV PM_HTTP_PORT=8102
USER pm
CMD ["python", "-m", "pmcore.shell.service.container", "pmstrategy"]

FROM builder AS executor-build
RUN --mount=type=bind,source=services/executor/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/var/cache/pip \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock
RUN --mount=type=bind,source=services/executor/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock --no-index /wheels/pmcore-*.whl /wheels/pmsim-*.whl /wheels/pmexecutor-*.whl

FROM base AS executor
COPY --from=executor-build /app /app
ENV PM_HTTP_PORT=8103
USER pm
CMD ["python", "-m", "pmcore.shell.service.container", "pmexecutor"]

FROM builder AS userws-build
RUN --mount=type=bind,source=services/userws/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/var/cache/pip \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock
RUN --mount=type=bind,source=services/userws/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock --no-index /wheels/pmcore-*.whl /wheels/pmuserws-*.whl

FROM base AS userws
COPY --from=userws-build /app /app
ENV PM_HTTP_PORT=8104
USER pm
CMD ["python", "-m", "pmcore.shell.service.container", "pmuserws"]

FROM builder AS simulator-build
RUN --mount=type=bind,source=services/simulator/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/var/cache/pip \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock
RUN --mount=type=bind,source=services/simulator/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock --no-index /wheels/pmcore-*.whl /wheels/pmsim-*.whl /wheels/pmsimulator-*.whl

FROM base AS simulator
COPY --from=simulator-build /app /app
ENV PM_HTTP_PORT=8100
USER pm
CMD ["python", "-m", "pmcore.shell.service.container", "pmsimulator"]

FROM builder AS console-build
RUN --mount=type=bind,source=services/console/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/var/cache/pip \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock
RUN --mount=type=bind,source=services/console/requirements.lock,target=/tmp/requirements.lock \
    --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    /build/bin/python /build/install_locked.py /tmp/requirements.lock --no-index /wheels/pmcore-*.whl /wheels/pmconsole-*.whl

FROM base AS console
COPY --from=console-build /app /app
ENV PM_HTTP_PORT=8105
USER pm
CMD ["python", "-m", "pmcore.shell.service.container", "pmconsole"]
