"""How the page looks, and what runs in the browser: style sheets, colours and the script."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..labels import LABELS
from .markup import LANGUAGES, TEXT_FOLDER, words

if TYPE_CHECKING:
    import gradio as gr

ASSETS = Path(__file__).parent / "assets"


def style() -> str:
    """The style sheets, the colours first."""
    names = ("style.css", "charts.css", "batch.css", "about.css")
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)


def script() -> str:
    """What runs in the browser, and the texts that it shows."""
    texts = json.loads((TEXT_FOLDER / "client.json").read_text(encoding="utf-8"))
    names = {
        label: {lang: words(f"common.{label}", lang) for lang in LANGUAGES} for label in LABELS
    }
    code = (ASSETS / "client.js").read_text(encoding="utf-8")
    return (
        f"const MM_TEXTS = {json.dumps(texts)};\nconst MM_EMOTIONS = {json.dumps(names)};\n{code}"
    )


def theme() -> gr.themes.Base:
    """Gradio's components in the app's colours and the visitor's own fonts: none is fetched."""
    import gradio as gr

    both_modes = {
        "body_background_fill": "var(--mm-page)",
        "body_text_color": "var(--mm-ink)",
        "body_text_color_subdued": "var(--mm-muted)",
        "background_fill_primary": "var(--mm-card)",
        "background_fill_secondary": "var(--mm-page)",
        "block_background_fill": "var(--mm-card)",
        "block_border_color": "var(--mm-line)",
        "block_label_text_color": "var(--mm-ink)",
        "border_color_primary": "var(--mm-line)",
        "button_primary_background_fill": "var(--mm-accent)",
        "button_primary_background_fill_hover": "var(--mm-accent)",
        "button_primary_border_color": "var(--mm-accent)",
        "button_primary_text_color": "var(--mm-accent-ink)",
        "button_secondary_background_fill": "var(--mm-card)",
        "button_secondary_background_fill_hover": "var(--mm-soft)",
        "button_secondary_border_color": "var(--mm-line)",
        "button_secondary_text_color": "var(--mm-ink)",
        "button_cancel_background_fill": "var(--mm-card)",
        "button_cancel_background_fill_hover": "var(--mm-soft)",
        "button_cancel_border_color": "var(--mm-bad)",
        "button_cancel_text_color": "var(--mm-bad)",
        "checkbox_background_color": "var(--mm-card)",
        "checkbox_background_color_selected": "var(--mm-accent)",
        "checkbox_border_color": "var(--mm-muted)",
        "checkbox_border_color_selected": "var(--mm-accent)",
        "checkbox_label_text_color": "var(--mm-ink)",
        "color_accent": "var(--mm-accent)",
        "color_accent_soft": "var(--mm-soft)",
        "input_background_fill": "var(--mm-card)",
        "input_border_color": "var(--mm-line)",
        "input_border_color_focus": "var(--mm-accent)",
        "link_text_color": "var(--mm-accent)",
    }
    base = gr.themes.Base(
        font=["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Consolas", "monospace"],
    )
    known = inspect.signature(base.set).parameters
    dark = {f"{name}_dark": value for name, value in both_modes.items()}
    return base.set(**both_modes, **{name: dark[name] for name in dark if name in known})
