# The MLflow server with the Hokusai registry. Run it with docker-compose.yml, or alone:
#   docker build -t hokusai-mlflow .
#   docker run -p 127.0.0.1:5000:5000 -v hokusai:/var/lib/hokusai hokusai-mlflow

FROM python:3.11-slim-bookworm AS build
# The environment gets no pip of its own: nothing is installed into a running server.
RUN python -m venv --without-pip /opt/hokusai
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY hokusai hokusai
COPY hokusai_mlflow_plugin hokusai_mlflow_plugin
COPY migrations migrations
RUN python -m venv /opt/pip \
    && /opt/pip/bin/pip --python /opt/hokusai/bin/python install \
        --no-cache-dir --constraint constraints.txt '.[auth,mysql,postgres,prometheus,s3]' \
    # The test suites of these are a tenth of the image.
    && cd /opt/hokusai/lib/python3.*/site-packages \
    && find pandas pyarrow scipy sklearn -type d -name tests -prune -exec rm -rf {} +

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /var/lib/hokusai hokusai \
    && install -d -o hokusai -g hokusai /var/lib/hokusai/artifacts /var/lib/hokusai/checkpoints
COPY --from=build /opt/hokusai /opt/hokusai
ENV PATH=/opt/hokusai/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MLFLOW_HOST=0.0.0.0 \
    MLFLOW_PORT=5000 \
    MLFLOW_BACKEND_STORE_URI=sqlite:////var/lib/hokusai/hokusai.db \
    MLFLOW_ARTIFACTS_DESTINATION=/var/lib/hokusai/artifacts
USER hokusai
WORKDIR /var/lib/hokusai
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/health', timeout=4)"]
CMD ["hokusai-mlflow", "server"]
