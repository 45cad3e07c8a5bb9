"""Receives webhooks, and prints how each run ended: once, however often it is told.

    WEBHOOK_SECRET=whsec_… python examples/python/webhook_receiver.py 127.0.0.1:8090

The persistence service is started with the same WEBHOOK_SECRET and WEBHOOK_URL=http://127.0.0.1:8090/.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from consensus_client import WebhookVerificationError, verify_webhook

MOST_BYTES = 65_536
SEEN: set[str] = set()  # in earnest a table: what was told before this process began counts too


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what it took, whether or not it had it already, and 4xx to what it does not believe."""

    timeout = 10  # seconds, for a sender that says nothing

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return self.answer(413)
        body = self.rfile.read(int(length))
        try:
            message = verify_webhook(os.environ["WEBHOOK_SECRET"], dict(self.headers), body)
        except WebhookVerificationError as error:
            print(f"refused: {error}", file=sys.stderr)
            return self.answer(401)
        message_id = self.headers["webhook-id"]
        if message_id not in SEEN:
            SEEN.add(message_id)
            data = message["data"]
            print(
                message["type"], data["run_id"], data.get("decision", "-"), data.get("link", ""), flush=True
            )
        return self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """Says nothing of its own."""


if __name__ == "__main__":
    host, port = sys.argv[1].rsplit(":", 1)
    ThreadingHTTPServer((host, int(port)), Receiver).serve_forever()
