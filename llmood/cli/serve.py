"""`llmood serve`: a detector over HTTP, and in front of a live model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from llmood.cli import detector_options, options, proxy_options, serving

NAME = "serve"
LIMITS = "Limits"
EPILOG = """Examples:

  llmood serve detector --port 8080

  curl localhost:8080/v1/score -d '{"text": "How do I freeze my account?"}'

  llmood serve detector --upstream http://localhost:8000/v1 --events events

  llmood serve detector --upstream http://localhost:8000/v1 --policy refuse --on-failure closed
"""

Host = Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 is every interface.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")]
Events = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Keep every decision here; 'llmood report --traffic FOLDER' makes a page of them.",
        rich_help_panel=options.OUTPUT,
    ),
]
LogText = Annotated[
    bool, typer.Option("--log-text", help="Let questions stand in the log.", rich_help_panel=options.OUTPUT)
]
TokenEnv = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The environment variable with the bearer token that clients must show."
    ),
]
Queue = Annotated[int, typer.Option(min=1, help="Questions that wait at most.", rich_help_panel=LIMITS)]
BatchRows = Annotated[
    int, typer.Option("--batch", min=1, help="Questions scored together.", rich_help_panel=LIMITS)
]
Latency = Annotated[
    float,
    typer.Option(
        min=0.001,
        help="Seconds within which a question is scored; later ones get 429.",
        rich_help_panel=LIMITS,
    ),
]
Timeout = Annotated[
    float, typer.Option(min=0.001, help="Seconds until a request is given up.", rich_help_panel=LIMITS)
]
MaxBody = Annotated[int, typer.Option(min=1, help="Bytes of a request.", rich_help_panel=LIMITS)]
Drain = Annotated[
    float,
    typer.Option(min=0, help="Seconds that requests have to end in, after SIGTERM.", rich_help_panel=LIMITS),
]


def command(
    detector: Annotated[Path, typer.Argument(help="A folder that 'llmood fit' made.")],
    host: Host = "127.0.0.1",
    port: Port = 8080,
    events: Events = None,
    no_text: options.NoText = False,
    log_text: LogText = False,
    token_env: TokenEnv = None,
    queue: Queue = 1024,
    batch: BatchRows = 64,
    latency: Latency = 1.0,
    timeout: Timeout = 30.0,
    max_body: MaxBody = 2_000_000,
    drain: Drain = 30.0,
    upstream: proxy_options.UpstreamUrl = None,
    policy: proxy_options.PolicyKind = None,
    message: proxy_options.RefusalMessage = None,
    on_failure: proxy_options.FailureKind = None,
    upstream_key_env: proxy_options.UpstreamKeyEnv = None,
    upstream_timeout: proxy_options.UpstreamTimeout = None,
    model: detector_options.ModelPath = None,
    engine: detector_options.EngineKind = None,
) -> None:
    """Score questions over HTTP, each before its answer is given (or the answer, if the detector looks at answers)."""
    serving.check_extra()
    from llmood.detector.detector import load_detector
    from llmood.serve.app import make_app
    from llmood.serve.guard import Guard
    from llmood.serve.logs import RequestLog
    from llmood.serve.proxy import proxy_routes
    from llmood.serve.server import Server, bound, url_of
    from llmood.serve.settings import Settings, is_this_machine

    own_policy = serving.policy_of(upstream, policy, on_failure, message)
    server_behind = serving.upstream_of(upstream, upstream_key_env, upstream_timeout, host=host, port=port)
    token = serving.token_of(token_env)
    settings = Settings(
        queue=queue,
        batch=batch,
        latency=latency,
        timeout=timeout,
        max_body=max_body,
        drain=drain,
        token=token,
        log_text=log_text,
        show_text=serving.shows_text(host, token, private=no_text),
        local_names=token is None and is_this_machine(host),
    )
    loaded = load_detector(detector, models=detector_options.model_paths(model), engine=engine)
    log = RequestLog()
    with bound(host, port) as listening:
        store = serving.store_of(events, loaded, private=no_text)
        guard = Guard(loaded, settings, own_policy, store, lambda line: log.write("error", message=line))
        more = () if server_behind is None else (proxy_routes(guard, server_behind),)
        server = Server(
            lambda failed: make_app(guard, log=log, more=more, failed=failed),
            listening,
            drain,
            timeout,
            guard.complain,
        )
        log.write("listening", url=url_of(*listening.getsockname()[:2]), detector=loaded.content.name)
        for warning in serving.warnings_of(server_behind, loaded.content.form.wording, host, token):
            log.write("warning", message=warning)
        server.run()
    if guard.is_left_behind:
        os._exit(1)  # Python would wait for its thread
