"""The Python client library against a server: one line `ok NAME` or `not ok NAME: REASON` a check."""

import asyncio
import inspect
import sys
import traceback

import checks

CHECK_SECONDS = 30


async def main():
    failed = False
    for name, check in inspect.getmembers(checks, inspect.iscoroutinefunction):
        if not name.startswith("check_"):
            continue
        label = name.removeprefix("check_")
        try:
            await asyncio.wait_for(check(), CHECK_SECONDS)
            print(f"ok {label}", flush=True)
        except Exception as error:
            failed = True
            place = traceback.extract_tb(error.__traceback__)[-1]
            print(f"not ok {label}: {type(error).__name__}: {error} ({place.filename}:{place.lineno})", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
