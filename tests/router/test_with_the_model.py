"""The real model: embedded, and in a server process that is killed and restarted."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.backends.local import models

from ..support.lean import Act
from .conftest import Desk
from .test_failures import create, until

ROOT = Path(__file__).parents[2]
NAME = "smollm2-135m-instruct"
MODEL_FILE = models.cached_path(NAME)
SERVER = """\
import sys, xllamacpp
p = xllamacpp.CommonParams()
p.model.path, p.port, p.n_ctx, p.verbosity = sys.argv[1], int(sys.argv[2]), 1024, -1
server = xllamacpp.Server(p)
print(server.listening_address, flush=True)
sys.stdin.read()
"""

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not MODEL_FILE.is_file(), reason=f"{NAME} is not in the cache: `harness models pull {NAME}`"),
]


@pytest.mark.slow
def test_the_docs_script_runs_with_the_embedded_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/routing.md").read_text(encoding="utf-8")
    script, spare = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("python", "toml"))
    assert len([line for line in script.splitlines() if line]) <= 15
    for name in ("evals", "prompts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    config = (ROOT / "harness.toml").read_text(encoding="utf-8")
    (tmp_path / "harness.toml").write_text(f"{config}\n{spare}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "docs/routing.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(re.search(r"-> (billing|technical|general|None) by smollm2 $", line) for line in lines), lines


@pytest.mark.slow
def test_the_embedded_model_serves_create_and_streams(desk: Desk) -> None:
    desk.project.config(
        f'[backends.home]\nprovider = "llamacpp"\nmodel = "{NAME}"\nvariant = "local"\nn_ctx = 512\n'
        f'[backends.api]\nprovider = "openai"\nmodel = "fake-model"\nbase_url = "{desk.api.base_url}"\nvariant = "gpt"\n'
    )
    desk.routing("deadline_s = 60", text=(desk.path.read_text().replace("deadline_s = 2.0\n", "{route}\n")))

    async def main() -> tuple[str, str]:
        async with desk.router() as router:
            await until(lambda: not router.down)
            stream = await router.chat.completions.create(
                task="triage", messages=[{"role": "user", "content": "Say hello."}], max_tokens=4, stream=True
            )
            return await create(router), "".join([c.choices[0].delta.content or "" async for c in stream])

    whole, streamed = asyncio.run(main())
    assert whole
    assert streamed
    assert [call.backend for call in desk.calls()] == ["home", "home"]
    assert desk.calls()[0].fingerprint


@contextmanager
def served(port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVER, str(MODEL_FILE), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_killing_a_model_server_under_load_loses_no_call(desk: Desk) -> None:
    desk.local.kill()
    port = desk.local.port
    desk.api.answer = lambda _: Act("general")
    desk.routing("deadline_s = 60", text=(desk.path.read_text().replace("deadline_s = 2.0\n", "{route}\n")))

    async def main() -> None:
        with served(port) as process:
            async with desk.router() as router:
                await until(lambda: not router.down)
                calls = [asyncio.create_task(create(router)) for _ in range(40)]
                await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                process.kill()
                assert all(await asyncio.gather(*calls))
                with served(port):
                    await until(lambda: not router.down)
                    await create(router)

    asyncio.run(main())
    backends = [call.backend for call in desk.calls()]
    assert len(backends) == 41
    assert set(backends) == {"home", "api"}
    assert backends[-1] == "home"
