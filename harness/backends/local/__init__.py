"""Model files on this machine: GGUF headers, downloads, quantization.

May import core only.
Never here: requests to a model.
"""
