"""The Gradio app: a mood journal over the classifier and the suggestions.

``memotions space`` and ``spaces/memotions/app.py`` start it; nothing here is imported before that.
"""
