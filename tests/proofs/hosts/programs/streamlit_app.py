"""A Streamlit page: one client for all sessions, and a picture for each run of the script."""

import streamlit as st
from told import picture

from apimodels_async import ImagesClient


@st.cache_resource
def images() -> ImagesClient:
    """One client for all sessions and all runs."""
    return ImagesClient()


prompt = st.text_input("Prompt", "A boat")
if st.button("Paint"):
    st.session_state["files"] = [str(path.resolve()) for path in picture(images(), prompt)]
if st.button("Paint with a new client"):
    st.session_state["files"] = [str(path.resolve()) for path in picture(ImagesClient(), prompt)]
