# Dragoman's gRPC service with the bundled model:
#     docker build -t dragoman .
#     docker run --rm -p 127.0.0.1:50051:50051 -p 127.0.0.1:9464:9464 dragoman
# Its configuration is /etc/dragoman/server.toml; mount another file there with -v to replace it. server/deploy has a
# compose file and a Kubernetes manifest.
#
# The image has no torch: its kernels translate on the CPU. For a GPU, add the extra `train`. On most indexes its
# torch==2.13.0 is the build for NVIDIA GPUs, of several GB; PIP_OPTIONS can name another index or folder:
#     docker build --build-arg EXTRAS="tls uvloop train" --build-arg PIP_OPTIONS="..." -t dragoman .

FROM python:3.11-slim AS build
# Extras, separated by spaces; google and telemetry are also for serving.
ARG EXTRAS="tls uvloop"
ARG PIP_OPTIONS=""
WORKDIR /build
# The compiler for the kernels stays out of the final image. Their libraries need libstdc++, which apt brings there as well.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/dragoman
# The dependencies first: this large layer stays cached while only the code changes.
COPY pyproject.toml constraints.txt ./
RUN python -c "import sys, tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        extras = [line for extra in sys.argv[1:] for line in project['optional-dependencies'][extra]]; \
        print(*project['dependencies'], *extras, sep='\n')" ${EXTRAS} > requirements.txt \
    && /opt/dragoman/bin/pip install --no-cache-dir ${PIP_OPTIONS} -c constraints.txt -r requirements.txt \
    && pip install --no-cache-dir ${PIP_OPTIONS} -c constraints.txt setuptools
COPY README.md LICENSE ./
COPY dragoman dragoman
COPY model model
COPY translation translation
COPY training training
COPY server server
# Without isolation, the build uses the setuptools of constraints.txt.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir wheel . \
    && /opt/dragoman/bin/pip install --no-cache-dir --no-deps wheel/*.whl
# Compiles the kernels for every kind of processor, since the image may run on another one. From another folder, so that
# Python imports the installed package, not the sources here.
RUN cd / && DRAGOMAN_KERNELS=/opt/dragoman/kernels /opt/dragoman/bin/python -m dragoman.model.decoding.decoders.native.build --all

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home dragoman
COPY --from=build /opt/dragoman /opt/dragoman
ENV PATH=/opt/dragoman/bin:$PATH DRAGOMAN_KERNELS=/opt/dragoman/kernels PYTHONUNBUFFERED=1
USER dragoman
WORKDIR /home/dragoman
COPY server/deploy/container.toml /etc/dragoman/server.toml
# gRPC, and Prometheus metrics.
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-m", "dragoman.server.client.health", "127.0.0.1:50051"]
CMD ["dragoman", "serve", "--config", "/etc/dragoman/server.toml"]
