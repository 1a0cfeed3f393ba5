"""Streamlit: each click runs the script again, in a thread of its own, in several sessions."""

from pathlib import Path

from streamlit.testing.v1 import AppTest
from told import tell

PAGE = str(Path(__file__).with_name("streamlit_app.py"))

files: list[Path] = []
for session in range(2):
    page = AppTest.from_file(PAGE, default_timeout=90).run()
    for button in (0, 0, 1):
        page.text_input[0].set_value(f"Boat {len(files)} of session {session}")
        page.button[button].click().run()
        assert not page.exception, page.exception
        files += [Path(path) for path in page.session_state["files"]]
tell(files)
