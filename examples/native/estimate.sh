#!/bin/sh
# Estimates pi by throwing darts: another number on every machine and every time.
exec awk -v darts="$1" -v seed="$(od -An -N4 -tu4 /dev/urandom)" 'BEGIN {
  srand(seed)
  for (i = 0; i < darts; i++) {
    x = rand(); y = rand()
    if (x * x + y * y < 1) hits++
  }
  printf "pi is about %.6f\n", 4 * hits / darts > "/out/0"
}'
