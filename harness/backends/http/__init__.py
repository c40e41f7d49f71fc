"""One HTTP client for every server of the OpenAI protocol."""
