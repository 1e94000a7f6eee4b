"""The pages that Streamlit runs."""
