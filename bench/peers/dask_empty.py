"""Empty tasks a second through Dask distributed: scheduler and three workers as processes. Prints one number."""

import sys
import time

from distributed import Client, LocalCluster


def nothing(_):
    return None


def run(client, count):
    begun = time.monotonic()
    futures = client.map(nothing, range(count), pure=False)
    client.gather(futures)
    return count / (time.monotonic() - begun)


def main():
    count = int(sys.argv[1])
    with LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster, Client(cluster) as client:
        run(client, max(1000, count // 10))  # warm-up
        print(run(client, count))


if __name__ == "__main__":
    main()
