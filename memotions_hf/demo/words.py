"""Components whose texts change with the language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .markup import Language, words

if TYPE_CHECKING:
    import gradio as gr
    from gradio.blocks import Block

_Component = TypeVar("_Component", bound="Block")


class Wording:
    """Makes components in the first language and remembers which of their texts to switch.

    >>> wording = Wording()
    >>> button = wording.make(gr.Button, {"value": "write.read"}, variant="primary")
    """

    def __init__(self, lang: Language = "id") -> None:
        self._lang = lang
        self._texts: list[tuple[Block, dict[str, str]]] = []

    def make(self, kind: type[_Component], texts: dict[str, str], **options: Any) -> _Component:
        """A component of this kind; ``texts`` maps its parameters to keys of the texts."""
        component: _Component = kind(**_worded(texts, self._lang), **options)
        self._texts.append((component, texts))
        return component

    @property
    def components(self) -> list[Block]:
        """All components made so far, in the order of :meth:`updates`."""
        return [component for component, _ in self._texts]

    def updates(self, lang: Language) -> list[dict[str, Any]]:
        """What switches every component to a language."""
        import gradio as gr

        return [gr.update(**_worded(texts, lang)) for _, texts in self._texts]


def _worded(texts: dict[str, str], lang: Language) -> dict[str, str]:
    return {parameter: words(key, lang) for parameter, key in texts.items()}


def show_html(value: str = "", **options: Any) -> gr.HTML:
    """A place for HTML of ours, without Gradio's rules for prose, which win over our own."""
    import gradio as gr

    return gr.HTML(value, apply_default_css=False, **options)
