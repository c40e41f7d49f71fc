"""HTTP for servers of the OpenAI protocol: connections, two transports, and error responses.

May import core only.
Never here: parsing of replies, retries.
"""
