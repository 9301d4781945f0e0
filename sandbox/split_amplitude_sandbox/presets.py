"""Planned failures with a name: answers that real proxies, portals and broken services give. Data only.

Each is what `POST /_sandbox/faults` takes; a plan with `preset` starts from it and may change any member.
"""

from __future__ import annotations

from typing import Any

NESTING = 100_000
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
LOGIN_PAGE = """<!doctype html><html><head><title>Sign in to the network</title></head>
<body><form method="post"><input name="user"><input name="password" type="password"></form></body></html>"""
PROXY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


def _too_many(**headers: str) -> dict[str, Any]:
    return {
        "status": 429,
        "body": {"code": 429, "message": "TOO_MANY_REQUESTS", "details": "", "transactionId": "sandbox"},
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
    }


def _resets(value: str) -> dict[str, Any]:
    return _too_many(X_RateLimit_Reset_Seconds_Org=value, X_RateLimit_Reset_Seconds_IP=value)


PRESETS: dict[str, dict[str, Any]] = {
    # 200 from something that is not the service
    "login_page": {"status": 200, "body": LOGIN_PAGE, "headers": HTML},
    "foreign_code": {"status": 200, "body": {"code": 400, "error": "Invalid request path"}},
    "foreign_message": {"status": 200, "body": {"message": "login"}},
    "foreign_text": {"status": 200, "body": "OK"},
    "empty_success": {"status": 200, "body": ""},
    # errors from something that is not the service
    "html_404": {"status": 404, "body": PROXY_PAGE.format("404 Not Found"), "headers": HTML},
    "html_502": {"status": 502, "body": PROXY_PAGE.format("502 Bad Gateway"), "headers": HTML},
    "redirect_to_404": {"status": 302, "body": "", "headers": {"Location": "/nowhere"}},
    "redirect_loop": {"status": 302, "body": "", "headers": {"Location": "?again"}, "times": None},
    # waits beyond every deadline, and values that are not valid
    "retry_after_day": _too_many(Retry_After="86400"),
    "retry_after_20_digits": _too_many(Retry_After="9" * 20),
    "retry_after_date": _too_many(Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"),
    "retry_after_past_date": _too_many(Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"),
    "retry_after_zero": _too_many(Retry_After="0"),
    "retry_after_negative": _too_many(Retry_After="-5"),
    "retry_after_nan": _too_many(Retry_After="nan"),
    "retry_after_text": _too_many(Retry_After="soon"),
    "rate_limit_reset_negative": _resets("-1"),
    "rate_limit_reset_nan": _resets("nan"),
    "rate_limit_reset_day": _resets("86400"),
    "rate_limit_without_headers": _too_many(),
    # answers that break readers
    "nested_json": {"status": 200, "body": "[" * NESTING + "]" * NESTING, "headers": JSON},
    "nested_json_error": {"status": 400, "body": "[" * NESTING + "]" * NESTING, "headers": JSON},
    "huge_content_length": {
        "kind": "raw",
        "body": f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {'9' * 5000}\r\n\r\n{{}}",
    },
    "not_http": {"kind": "raw", "body": "SSH-2.0-OpenSSH_9.6\r\n"},
    # proxies and gzip
    "gzip_refused_400": {
        "compressed": True,
        "times": None,
        "status": 400,
        "body": {"code": 400, "error": "Invalid JSON request body"},
    },
    "gzip_refused_415": {"compressed": True, "times": None, "status": 415, "body": "Unsupported Media Type"},
    "encoding_stripped": {"kind": "strip_encoding", "compressed": True, "times": None},
    # secrets, slowness, clocks
    "echo_400": {"kind": "echo", "status": 400},
    "echo_403": {"kind": "echo", "status": 403},
    "echo_500": {"kind": "echo", "status": 500},
    "trickle": {"kind": "trickle", "chunk_bytes": 1, "delay_seconds": 1},
    "clock_ahead": {"kind": "clock", "offset_seconds": 30 * 86_400, "times": None},
    "clock_behind": {"kind": "clock", "offset_seconds": -30 * 86_400, "times": None},
}
