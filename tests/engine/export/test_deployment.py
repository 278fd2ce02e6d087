"""The files for Docker, Compose and Kubernetes; and the exported service, started from nothing but its folder."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support import images
from tests.support.exported import KEY, check_answers, running
from tests.support.helpers import ROOT, Render, must_run, tool

DEPLOY = ROOT / "template" / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
HEAVY = ("torch", "sklearn", "scipy", "pandas", "onnx", "skops", "shap", "plotly")


@pytest.fixture(scope="module")
def project(with_run: Callable[[str], Path]) -> Path:
    """The project that was exported. It is shared: only read it."""
    return with_run("regression")


def test_the_image_is_built_in_two_stages_and_runs_without_rights() -> None:
    steps = images.instructions(DOCKERFILE)
    starts = [number for number, (name, _) in enumerate(steps) if name == "FROM"]
    last = dict(steps[starts[-1] :])
    assert len(starts) == 2
    assert "RUN" not in last  # nothing is installed in it, so no compiler either
    assert int(last["USER"].split(":")[0]) > 1000
    assert "/healthz" in last["HEALTHCHECK"]
    assert "--only-binary :all:" in DOCKERFILE and "@sha256:" in DOCKERFILE


def test_the_image_has_the_python_of_the_export(exported: Path) -> None:
    text = (exported / "Dockerfile").read_text(encoding="utf-8")
    assert f"\nARG PYTHON={sys.version_info.major}.{sys.version_info.minor}\n" in text


def test_dockerfiles_pass_their_linter() -> None:
    must_run(tool("hadolint"), "template/deploy/Dockerfile", "template/Dockerfile", cwd=ROOT)


def test_compose_and_kubernetes_files_are_valid() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    must_run(tool("check-jsonschema"), *schema, DEPLOY / "docker-compose.yml", cwd=ROOT)
    must_run(tool("kubernetes-validate"), "--strict", DEPLOY / "kubernetes.yaml", cwd=ROOT)


def test_they_are_there_only_when_asked_for(render: Render) -> None:
    assert not (render() / "deploy" / "docker-compose.yml").exists()
    assert not (render() / "deploy" / "kubernetes.yaml").exists()
    assert (render(deployment="compose") / "deploy" / "docker-compose.yml").exists()
    assert not (render(deployment="compose") / "deploy" / "kubernetes.yaml").exists()
    assert (render(deployment="kubernetes") / "deploy" / "kubernetes.yaml").exists()


def test_no_file_lets_the_service_write_or_be_root() -> None:
    service = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text(encoding="utf-8"))
    service = service["services"]["service"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["mem_limit"]
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    parts = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
    pod = parts[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert parts[0]["spec"]["replicas"] > 1
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["resources"]["limits"]["memory"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert "secretKeyRef" in container["env"][0]["valueFrom"]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(os.name == "nt", reason="the page's lines are for macOS and Linux")
def test_it_starts_by_the_lines_of_its_own_page(
    project: Path, exported: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "server"))
    page = (folder / "README.md").read_text(encoding="utf-8")
    *prepare, start = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[0].splitlines()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    env |= {"PATH": path, "HOME": str(tmp_path), "PIP_NO_COMPILE": "1"}
    for line in prepare:
        done = subprocess.run(line, shell=True, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    seek = f"import importlib.util as u; print([n for n in {HEAVY} if u.find_spec(n)])"
    assert must_run(folder / "venv" / "bin" / "python", "-c", seek, cwd=folder) == "[]\n"

    env = {"PATH": "/usr/bin:/bin", "CAPSTONE_API_KEY": KEY}
    with running([*start.split(), "--port", "0"], folder, env) as (server, _):
        check_answers(server, project)
        assert server.ask("v1/model").status == 401


@pytest.mark.network
def test_hashes_are_written_by_the_line_of_the_page(exported: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
    name, *words = re.findall(r"`(uv pip compile [^`]*)`", page)[0].split()
    file = Path(shutil.copy2(exported / "requirements.txt", tmp_path))
    libraries = re.findall(r"^[\w-]+==", file.read_text(encoding="utf-8"), re.MULTILINE)
    must_run(tool(name), *words, cwd=tmp_path)
    pinned = file.read_text(encoding="utf-8")
    assert len(libraries) > 10
    for library in libraries:
        assert re.search(rf"^{library}\S+( ;.*)? \\\n    --hash=sha256:", pinned, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.network
def test_the_image_answers_as_nobody_on_a_file_system_that_is_read_only(
    project: Path, exported: Path, tmp_path: Path
) -> None:
    with images.small_computer(tmp_path / "layers") as folder:
        dockerfile = (exported / "Dockerfile").read_text(encoding="utf-8")
        image = images.build(dockerfile, exported, folder)
        port = str(free_port())
        words = [*image.entrypoint, *image.command]
        words[words.index("8000")] = port
        command = images.started(image, words, {"CAPSTONE_API_KEY": KEY})
        with running(command, tmp_path, os.environ) as (server, process):
            server.address = f"http://127.0.0.1:{port}/"
            check_answers(server, project)
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert f"Uid:\t{image.user.split(':')[0]}\t" in status
            assert "CapEff:\t0000000000000000" in status

            def inside(*words: str) -> subprocess.CompletedProcess[str]:
                command = images.started(image, list(words), {})
                return subprocess.run(command, capture_output=True, text=True)

            probe = [word.replace("8000", port) for word in image.health]
            assert inside(*probe).returncode == 0
            assert inside(*image.health[:-1], probe[-1].replace(port, "1")).returncode != 0
            refused = inside("touch", "/service/a", "/tmp/a")
            assert refused.stderr.count("Read-only file system") == 2
            seek = f"import importlib.util as u; print([n for n in {HEAVY} if u.find_spec(n)])"
            assert inside("python", "-c", seek).stdout == "[]\n"
            before = time.monotonic()
            process.terminate()
            assert process.wait(20) in (0, -15)
            assert time.monotonic() - before < 15

        # Several workers add up their figures in memory, for they have no other place to write to.
        command = images.started(image, [*words, "--workers", "2"], {"CAPSTONE_API_KEY": KEY})
        with running(command, tmp_path, os.environ) as (server, process):
            server.address = f"http://127.0.0.1:{port}/"
            for _ in range(5):
                check_answers(server, project)
            figures = server.ask("metrics", X_API_Key=KEY).body.decode()
            counts = re.findall(r'requests_total\{path="/v1/predict",status="200"\} (\S+)', figures)
            assert sum(map(float, counts)) == 5
            process.terminate()
            assert process.wait(20) in (0, -15)
        assert not list(Path("/dev/shm").glob("capstone-*"))

        # Without a key it refuses to be open to all, in one sentence.
        refused = inside_of(image, words)
        assert refused.returncode == 2 and "CAPSTONE_API_KEY" in refused.stderr


def docker_runs() -> bool:
    """Whether there is a Docker engine for Linux images, not only its command."""
    if shutil.which("docker") is None:
        return False
    asked = ("docker", "info", "--format", "{{.OSType}}")
    said = subprocess.run(asked, capture_output=True, text=True)
    return said.returncode == 0 and said.stdout.strip() == "linux"


@pytest.mark.slow
@pytest.mark.network
def test_docker_does_the_lines_of_the_page(project: Path, exported: Path) -> None:
    if not docker_runs():
        pytest.skip("no Docker engine runs here")
    page = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
    build, start = re.findall(r"^docker (?:build|run) .* my-service.*$", page, re.MULTILINE)[:2]
    must_run(*build.split(), cwd=exported)
    with running(start.split(), exported, {**os.environ, "CAPSTONE_API_KEY": KEY}) as (server, _):
        server.address = "http://127.0.0.1:8000/"
        check_answers(server, project)


def inside_of(image: images.Stage, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(images.started(image, words, {}), capture_output=True, text=True)
