# Dragoman's gRPC service with the bundled model:
#     docker build -t dragoman .
#     docker run --rm -p 127.0.0.1:50051:50051 -p 127.0.0.1:9464:9464 dragoman
# It serves what /etc/dragoman/server.toml says; put another file there with -v to change it. server/deploy has a compose
# file and a Kubernetes manifest.
#
# torch==2.13.0 is, on most indexes, the build for NVIDIA GPUs, which is several GB. For a smaller image without GPU
# support, give pip the options that lead it to an index or folder with the CPU build (2.13.0+cpu), which it then prefers:
#     docker build --build-arg PIP_OPTIONS="..." -t dragoman .

FROM python:3.11-slim AS build
ARG PIP_OPTIONS=""
WORKDIR /build
# For the kernels; the image itself gets no compiler. What their libraries need, libstdc++, apt itself needs too.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/dragoman
# The dependencies first and by themselves: this layer, the large one, is kept while only the code changes.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        print(*project['dependencies'], *project['optional-dependencies']['tls'], sep='\n')" > requirements.txt \
    && /opt/dragoman/bin/pip install --no-cache-dir ${PIP_OPTIONS} -c constraints.txt -r requirements.txt
COPY README.md LICENSE ./
COPY dragoman dragoman
COPY model model
COPY translation translation
COPY training training
COPY server server
# The setuptools that came with torch builds the package: it has the version of constraints.txt, an isolated one may not.
RUN /opt/dragoman/bin/pip install --no-cache-dir --no-deps --no-build-isolation .
# For every kind of processor, since the image may run on another than it is built on. From elsewhere, so that it is the
# installed package whose sources are compiled.
RUN cd / && DRAGOMAN_KERNELS=/opt/dragoman/kernels /opt/dragoman/bin/python -m dragoman.model.decoding.decoders.native.build --all

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home dragoman
COPY --from=build /opt/dragoman /opt/dragoman
ENV PATH=/opt/dragoman/bin:$PATH DRAGOMAN_KERNELS=/opt/dragoman/kernels PYTHONUNBUFFERED=1
USER dragoman
WORKDIR /home/dragoman
COPY server/deploy/container.toml /etc/dragoman/server.toml
# gRPC, and metrics for Prometheus.
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-m", "dragoman.server.client.health", "127.0.0.1:50051"]
CMD ["dragoman", "serve", "--config", "/etc/dragoman/server.toml"]
