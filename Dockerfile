# One Dockerfile for everything: SERVICE names a service (services/<name>), or is empty for all of them (the tools image).
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.lock ./
# uv and the build backend come from the lock too, with their hashes.
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.lock.txt \
 && pip install --no-cache-dir --quiet --require-hashes -r uv.lock.txt
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy VIRTUAL_ENV=/opt/kehu
RUN uv venv --quiet /opt/kehu \
 && uv pip install --quiet --python /opt/kehu/bin/python --constraint requirements.lock hatchling
# Dependencies in a layer of their own: they change less often than the code, and every image shares them.
COPY shared/pyproject.toml shared/pyproject.toml
RUN uv pip install --quiet --python /opt/kehu/bin/python --constraint requirements.lock -r shared/pyproject.toml
COPY shared shared
COPY services services
ARG SERVICE=""
RUN uv pip install --quiet --python /opt/kehu/bin/python --no-sources --no-deps --no-build-isolation ./shared \
      $(for service in services/${SERVICE:-*}; do printf './%s ' "$service"; done)

FROM python:3.13-slim
# A fixed number, so that volumes keep their owner from image to image.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin kehu
COPY --from=build /opt/kehu /opt/kehu
COPY samples /opt/kehu/samples
ENV PATH=/opt/kehu/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    KEHU_HOST=0.0.0.0 KEHU_PORT=8000 KEHU_SECRETS=/run/kehu KEHU_SAMPLES=/opt/kehu/samples
USER kehu
ENTRYPOINT ["kehu"]
