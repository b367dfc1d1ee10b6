"""Existing dossiers from an Excel file at go-live: checked, confirmed by a second person, taken over page by page."""
