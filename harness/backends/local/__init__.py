"""Model files on this machine: GGUF headers, downloads, quantization."""
