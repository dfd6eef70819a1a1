// Burns a stated amount of work and moves a stated amount of data: stands in for a real task when a recorded workflow is
// replayed. Arguments are ASCII text: "ITERATIONS [SIZE0 SIZE1 ...]". All inputs are read, then the iterations run, then
// output k gets SIZEk pseudo-random bytes that depend on the arguments and the inputs only.
#include "perseid.h"

enum { MAX_ARGS = 65536, MAX_OUTPUTS = 4096, BLOCK = 65536, ITERATIONS_A_STEP = 1000000, BLOCKS_A_STEP = 16 };
enum { EXIT_BAD_ARGS = 2 };

static enum { START, READ, BURN, WRITE } phase;
static uint64_t iterations, done, state;
static uint64_t sizes[MAX_OUTPUTS];
static int32_t outputs, index;
static uint64_t offset;
static unsigned char block[BLOCK] __attribute__((aligned(8)));

static uint64_t next(uint64_t x) {
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return x;
}

// Parses decimal numbers divided by blanks; false when there is none or anything else stands there.
static int parse(void) {
  static char text[MAX_ARGS];
  int32_t size = perseid_args_size(), numbers = 0;
  if (size > MAX_ARGS) return 0;
  perseid_args_read(text, 0, size);
  for (int32_t i = 0; i < size;) {
    if (text[i] == ' ' || text[i] == '\n') {
      i++;
      continue;
    }
    uint64_t value = 0;
    for (; i < size && text[i] != ' ' && text[i] != '\n'; i++) {
      if (text[i] < '0' || text[i] > '9' || value > 1000000000000000000u) return 0;
      value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (numbers == 0) {
      iterations = value;
    } else {
      if (outputs == MAX_OUTPUTS) return 0;
      sizes[outputs++] = value;
    }
    numbers++;
  }
  state = 0x9e3779b97f4a7c15u ^ iterations;
  if (state == 0) state = 1;
  return numbers > 0;
}

// One bounded slice of each phase; true when the phase is over.
static int read_some(void) {
  for (int32_t k = 0; k < BLOCKS_A_STEP; k++) {
    if (index >= perseid_input_count()) return 1;
    int32_t n = perseid_input_read(index, (int64_t)offset, block, BLOCK);
    if (n == 0) {
      index++;
      offset = 0;
      continue;
    }
    for (int32_t i = 0; i < n; i++) state = (state ^ block[i]) * 1099511628211u;
    if (state == 0) state = 1;
    offset += (uint64_t)n;
  }
  return 0;
}

static int burn_some(void) {
  uint64_t slice = iterations - done < ITERATIONS_A_STEP ? iterations - done : ITERATIONS_A_STEP;
  uint64_t x = state;
  for (uint64_t i = 0; i < slice; i++) x = next(x);
  state = x;
  done += slice;
  return done == iterations;
}

static int write_some(void) {
  for (int32_t k = 0; k < BLOCKS_A_STEP; k++) {
    if (index == outputs) return 1;
    uint64_t left = sizes[index] - offset;
    int32_t n = left < BLOCK ? (int32_t)left : BLOCK;
    for (int32_t i = 0; i < n; i += 8) {
      state = next(state);
      *(uint64_t *)(block + i) = state;
    }
    perseid_output_write(index, block, n);
    offset += (uint64_t)n;
    if (offset == sizes[index]) {
      index++;
      offset = 0;
    }
  }
  return 0;
}

PERSEID_STEP {
  switch (phase) {
    case START:
      if (!parse()) {
        perseid_say("burn: the arguments must be decimal numbers: ITERATIONS [SIZE0 SIZE1 ...]");
        return EXIT_BAD_ARGS;
      }
      phase = READ;
      break;
    case READ:
      if (read_some()) phase = BURN;
      break;
    case BURN:
      if (burn_some()) {
        phase = WRITE;
        index = 0;
        offset = 0;
      }
      break;
    case WRITE:
      if (write_some()) return PERSEID_DONE;
      break;
  }
  if (iterations != 0) perseid_progress((int32_t)(done / (iterations / 1000 + 1)));
  return PERSEID_MORE;
}
