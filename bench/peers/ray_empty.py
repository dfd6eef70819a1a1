"""Empty tasks a second through Ray on this machine, three workers. Prints one number."""

import sys
import time

import ray


@ray.remote
def nothing():
    return None


def run(count):
    begun = time.monotonic()
    ray.get([nothing.remote() for _ in range(count)])
    return count / (time.monotonic() - begun)


def main():
    count = int(sys.argv[1])
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    run(max(1000, count // 10))  # warm-up
    print(run(count))


if __name__ == "__main__":
    main()
