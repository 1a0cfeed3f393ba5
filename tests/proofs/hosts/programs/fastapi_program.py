"""FastAPI under uvicorn, with sixty requests at once to endpoints that block."""

from pathlib import Path

from served import free_port, get, get_all, server, with_prompts
from told import tell

port = free_port()
with server("uvicorn", "fastapi_app:app", "--port", str(port), "--log-level", "warning", port=port) as url:
    answers = get_all(with_prompts(f"{url}/make", 60))
    answers += get_all([f"{url}/hold"] * 60 + [f"{url}/make-beside?prompt=A+boat+beside"])
    answers.append(get(f"{url}/task?prompt=A+boat+in+JSON"))
    assert answers[-1]["task"]["state"] == "completed"
tell([Path(path) for answer in answers for path in answer["files"]])
