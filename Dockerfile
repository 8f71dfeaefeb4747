# docker build -t nsd-encoding-models . && docker run --gpus all -v "$PWD":/work nsd-encoding-models \
#     snakemake --snakefile /opt/nsd-encoding-models/Snakefile --configfile config.yaml
# The folder that is mounted holds the configuration, data and results. PyPI's torch brings CUDA.
FROM python:3.11-slim
WORKDIR /opt/nsd-encoding-models
COPY pyproject.toml README.md config/constraints.txt ./
RUN python - <<'SCRIPT' > requirements.txt
import tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = project["optional-dependencies"]
print("\n".join(project["dependencies"] + extras["demo"] + extras["cluster"]))
SCRIPT
RUN pip install --no-cache-dir --constraint constraints.txt --requirement requirements.txt
COPY . .
ENV PYTHONPATH=/opt/nsd-encoding-models
WORKDIR /work
CMD ["snakemake", "--help"]
