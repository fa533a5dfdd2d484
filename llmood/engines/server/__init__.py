"""Asking a server that speaks OpenAI's protocol: what it can do, what to send, how to read it, when to ask again."""
