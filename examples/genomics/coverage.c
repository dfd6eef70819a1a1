/* coverage.c: adds up pileup tables and writes how deeply the reads cover the genome.
 * args: bases of a window. inputs: the genome (FASTA), pileup tables. output 0: BedGraph, one line for each stretch of equal
 * depth, zero included. output 1: a table of windows.
 */
#include "table.h"

#define MAX_GENOME_WINDOW 1000000

static enum { LOADING, RUNS, WINDOWS } phase;
static int32_t window;
static int32_t at;
static Writer runs;
static Writer windows;

#define POSITIONS_PER_STEP 16384

static void put_column(Writer *w, uint64_t value) {
  put_char(w, '\t');
  put_number(w, value);
}

static void put_run(void) {
  int32_t start = at;
  while (at < genome_length && table[at][DEPTH] == table[start][DEPTH]) at++;
  put_text(&runs, genome_name);
  put_column(&runs, (uint64_t)start);
  put_column(&runs, (uint64_t)at);
  put_column(&runs, table[start][DEPTH]);
  put_char(&runs, '\n');
}

static void put_window(void) {
  int32_t start = at;
  int32_t end = genome_length - start > window ? start + window : genome_length;
  uint64_t sum = 0;
  uint32_t least = table[start][DEPTH], most = 0;
  int32_t covered = 0;
  for (; at < end; at++) {
    uint32_t depth = table[at][DEPTH];
    sum += depth;
    if (depth < least) least = depth;
    if (depth > most) most = depth;
    if (depth > 0) covered++;
  }
  uint64_t length = (uint64_t)(end - start);
  put_text(&windows, genome_name);
  put_column(&windows, (uint64_t)start);
  put_column(&windows, (uint64_t)end);
  put_char(&windows, '\t');
  put_fixed(&windows, (sum * 100 + length / 2) / length, 2);
  put_column(&windows, least);
  put_column(&windows, most);
  put_column(&windows, (uint64_t)covered);
  put_char(&windows, '\n');
}

PERSEID_STEP {
  switch (phase) {
    case LOADING: {
      if (window == 0) {
        window = number_argument();
        if (window < 1 || window > MAX_GENOME_WINDOW) return fail(BAD_ARGUMENTS, "args must be the bases of a window, 1 to 1000000");
        windows.output = 1;
      }
      int32_t loaded = load_tables();
      if (loaded == PERSEID_DONE) phase = RUNS;
      return loaded == PERSEID_DONE ? PERSEID_MORE : loaded;
    }
    case RUNS:
      for (int32_t until = at + POSITIONS_PER_STEP; at < until && at < genome_length;) put_run();
      if (at == genome_length) {
        writer_flush(&runs);
        put_text(&windows, "#chrom\tstart\tend\tmean_depth\tmin_depth\tmax_depth\tcovered_bases\n");
        at = 0;
        phase = WINDOWS;
      }
      return PERSEID_MORE;
    case WINDOWS:
      for (int32_t until = at + POSITIONS_PER_STEP; at < until && at < genome_length;) put_window();
      if (at < genome_length) return PERSEID_MORE;
      writer_flush(&windows);
      return PERSEID_DONE;
  }
  __builtin_unreachable();
}
