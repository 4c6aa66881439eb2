"""Keras models, their ONNX export and the Hugging Face Hub mixin."""
