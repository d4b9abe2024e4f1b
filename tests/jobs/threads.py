"""Threads that begin at once, each with a database connection of its own."""

import threading

from django.db import connection


def in_threads(number, work):
    """Run `work(index)` on so many threads at once and return what each returned."""
    results, errors = [None] * number, []
    barrier = threading.Barrier(number)

    def run(index):
        try:
            barrier.wait(10)
            results[index] = work(index)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors
    return results
