import os
import signal
import sys

from bottle import Bottle

application = Bottle()


@application.get("/hello/<name>")
def hello(name):
    return {"hello": name}


@application.get("/health")
def health():
    return {"status": "up"}


# The process is number 1 in its container: without this, the signal to stop would be ignored.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))

application.run(host="0.0.0.0", port=int(os.environ.get("PORT", "8000")), quiet=True)
