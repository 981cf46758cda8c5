"""The model door: LiteLLM's proxy with our token check, a closed set of routes, usage lines, routing by catalogue.

Contract: imports base, and what LiteLLM's environment holds (litellm, uvicorn, jwt, httpx); never tables or rooms. Only
`proxy` and `application` import litellm, which reads its switches when it is imported: `serve` sets them first.
"""
