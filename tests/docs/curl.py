"""As much of curl as the pages use, for machines that have none: ``curl.py [OPTIONS] URL``."""

from __future__ import annotations

import argparse
import signal
import sys
import urllib.error
import urllib.request


def main() -> None:
    """Print what a server answers, an error's body included."""
    # Silent, as curl is, where 'head' has read enough and closed the pipe.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    parser = argparse.ArgumentParser(prog="curl")
    parser.add_argument("url")
    parser.add_argument("-s", "--silent", action="store_true")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("-X", "--request")
    given = parser.parse_args()
    headers = dict(header.split(": ", 1) for header in given.header)
    body = None if given.data is None else given.data.encode()
    request = urllib.request.Request(given.url, body, headers, method=given.request)  # noqa: S310
    try:
        answer = urllib.request.urlopen(request)  # noqa: S310
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        sys.stdout.buffer.write(answer.read())


if __name__ == "__main__":
    main()
