"""README.md of an exported folder: how to start the service."""

from __future__ import annotations

PAGE = """\
# {name}: the service of {run}

A page to try the model at `/`, an API at `/v1/predict`, its description at `/openapi.json`. Nothing is stored.

## Without Docker

With Python {python} or newer, on macOS and Linux (on Windows `venv\\Scripts\\python` instead of `venv/bin/python`):

```sh
python -m venv venv
venv/bin/python -m pip install --requirement requirements.txt
venv/bin/python serve.py
```

It answers this machine alone, at http://127.0.0.1:8000/. To let others in, give it an API key and an address:

```sh
export CAPSTONE_API_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(32))')"
venv/bin/python serve.py --host 0.0.0.0
```

Callers send the key in the header `X-API-Key`. It goes over the network as it is, so put a proxy with TLS in front.
`venv/bin/python serve.py --help` lists the limits of rows, size and time, and how to start more workers.
{docker}
## What is here

| file | what it is |
| --- | --- |
{files}
"""
DOCKER = """
## With Docker

```sh
docker build --tag {name} .
docker run --rm --publish 127.0.0.1:8000:8000 --env CAPSTONE_API_KEY --read-only --cap-drop ALL {name}
```

The second line passes on the key of your terminal, see above; without a key the service does not start.
"""
COMPOSE = """
Or with Compose, which keeps the same limits in a file: `docker compose up --build`.
"""
KUBERNETES = """
On Kubernetes, after the image is pushed to a registry that your cluster reads, and its name set in `kubernetes.yaml`:

```sh
kubectl create secret generic my-service --from-literal=api-key="$CAPSTONE_API_KEY"
kubectl apply --filename kubernetes.yaml
```
"""
FILES = {
    "serve.py": "starts the service",
    "requirements.txt": "the libraries, with the versions that were tested",
    "sbom.cdx.json": "the same with licences and the model's SHA-256, for tools that look for known vulnerabilities",
    "runs/": "the model and its metrics",
    "src/": "the project's code that the service needs",
    "capstone.toml": "the settings of the run",
    "pyproject.toml": "the name of the package in `src/`",
    "docs/model_card.md": "what the model is for; `/v1/model` gives it",
    "Dockerfile": "the image",
    ".dockerignore": "what the image must not contain",
    "docker-compose.yml": "one container, its limits and its key",
    "kubernetes.yaml": "replicas, probes and limits",
}


def render_readme(name: str, run: str, files: set[str]) -> str:
    """The README.md of an export with these files."""
    docker = DOCKER if "Dockerfile" in files else ""
    docker += COMPOSE if "docker-compose.yml" in files else ""
    docker += KUBERNETES if "kubernetes.yaml" in files else ""
    tops = {file.partition("/")[0] + "/" if "/" in file else file for file in files} | files
    rows = [f"| `{file}` | {what} |" for file, what in FILES.items() if file in tops]
    return PAGE.format(
        name=name, run=run, python="3.11", docker=docker.format(name=name), files="\n".join(rows)
    )
