# One file, one target per service: docker build --target feed .
# An image holds Python, the packages of its own service's lock and its own source. Our packages are pure Python: they are
# copied, not built, so no build backend runs and nothing is compiled but bytecode.
# Behind a package mirror: docker build --secret id=pip_conf,src=/path/to/pip.conf (Compose takes PIP_CONFIG_FILE).

FROM python:3.13-slim-trixie AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app/src \
    PATH=/app/venv/bin:$PATH \
    PM_HTTP_HOST=0.0.0.0 \
    PM_DATA_DIR=/data
RUN groupadd --gid 10001 pm \
    && useradd --uid 10001 --gid pm --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pm \
    && install -d -o pm -g pm /data /run/pm
WORKDIR /data
HEALTHCHECK --interval=3s --timeout=3s --start-period=60s --retries=5 \
    CMD ["python", "-m", "pmcore.shell.container", "check"]

FROM base AS builder
ENV PIP_PYTHON=/app/venv \
    PIP_REQUIRE_HASHES=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_NO_COMPILE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv --without-pip /app/venv

FROM builder AS feed-build
RUN --mount=type=bind,source=services/feed/requirements.lock,target=/tmp/lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/root/.cache/pip \
    pip install -r /tmp/lock && python -m compileall -q /app/venv
COPY libs/pmcore/src services/feed/src /app/src/
RUN python -m compileall -q /app/src

FROM base AS feed
COPY --from=feed-build /app /app
ENV PM_HTTP_PORT=8101
USER pm
CMD ["python", "-m", "pmcore.shell.container", "pmfeed"]

FROM builder AS strategy-build
RUN --mount=type=bind,source=services/strategy/requirements.lock,target=/tmp/lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/root/.cache/pip \
    pip install -r /tmp/lock && python -m compileall -q /app/venv
COPY libs/pmcore/src services/strategy/src /app/src/
RUN python -m compileall -q /app/src

FROM base AS strategy
COPY --from=strategy-build /app /app
ENV PM_HTTP_PORT=8102
USER pm
CMD ["python", "-m", "pmcore.shell.container", "pmstrategy"]

FROM builder AS executor-build
RUN --mount=type=bind,source=services/executor/requirements.lock,target=/tmp/lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/root/.cache/pip \
    pip install -r /tmp/lock && python -m compileall -q /app/venv
COPY libs/pmcore/src services/executor/src /app/src/
RUN python -m compileall -q /app/src

FROM base AS executor
COPY --from=executor-build /app /app
ENV PM_HTTP_PORT=8103
USER pm
CMD ["python", "-m", "pmcore.shell.container", "pmexecutor"]

FROM builder AS userws-build
RUN --mount=type=bind,source=services/userws/requirements.lock,target=/tmp/lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/root/.cache/pip \
    pip install -r /tmp/lock && python -m compileall -q /app/venv
COPY libs/pmcore/src services/userws/src /app/src/
RUN python -m compileall -q /app/src

FROM base AS userws
COPY --from=userws-build /app /app
ENV PM_HTTP_PORT=8104
USER pm
CMD ["python", "-m", "pmcore.shell.container", "pmuserws"]

FROM builder AS simulator-build
RUN --mount=type=bind,source=services/simulator/requirements.lock,target=/tmp/lock \
    --mount=type=secret,id=pip_conf,target=/etc/pip.conf --mount=type=cache,target=/root/.cache/pip \
    pip install -r /tmp/lock && python -m compileall -q /app/venv
COPY libs/pmcore/src services/simulator/src /app/src/
RUN python -m compileall -q /app/src

FROM base AS simulator
COPY --from=simulator-build /app /app
ENV PM_HTTP_PORT=8100
USER pm
CMD ["python", "-m", "pmcore.shell.container", "pmsimulator"]
