/* tiny-tree: the trees of loan-risk as a portable task, for browsers and for devices that have no ONNX Runtime.
 *
 * Argument: the row width as decimal text, which must be 8. Input 0: rows of that many float32, little-endian (the features
 * of examples/models/loan-risk in their order). Output 0: for each row two float32: the probabilities of `repaid` and of
 * `went_bad`. Exit codes: 2 the width is not 8, 3 the input is not whole rows, 4 no input.
 */
#include "perseid.h"
#include "trees.h"

#define ROWS 512 /* read, judged and written in one step */
#define BAD_WIDTH 2
#define BROKEN_ROW 3
#define NO_INPUT 4

/* e^x to a few units in the last place of a float: 2^n * e^r with |r| <= ln 2 / 2, the latter by its series. */
static double power_of_e(double x) {
  if (x > 80) x = 80;
  if (x < -80) x = -80;
  double turns = x * 1.4426950408889634;
  int32_t n = (int32_t)(turns + (turns < 0 ? -0.5 : 0.5));
  double r = x - n * 0.6931471805599453, sum = 1, term = 1;
  for (int32_t i = 1; i <= 12; i++) {
    term *= r / i;
    sum += term;
  }
  union { uint64_t bits; double value; } two = {.bits = (uint64_t)(n + 1023) << 52};
  return sum * two.value;
}

/* The logit, added in float from the first tree to the last. A feature that is not a number answers every question no. */
static float judge(const float *row) {
  float total = BASE;
  for (int32_t t = 0; t < TREES; t++) {
    int32_t at = 0;
    for (int32_t level = 0; level < DEPTH; level++) {
      at = 2 * at + (row[FEATURE[t][at]] <= THRESHOLD[t][at] ? 1 : 2);
    }
    total += LEAF[t][at - INNER];
  }
  return total;
}

static int32_t width_asked(void) {
  char text[8];
  int32_t size = perseid_args_size(), width = 0;
  if (size < 1 || size > (int32_t)sizeof text) return -1;
  perseid_args_read(text, 0, size);
  for (int32_t i = 0; i < size; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    width = width * 10 + (text[i] - '0');
  }
  return width;
}

static int64_t done; /* rows judged so far */
static float rows[ROWS][FEATURES];
static float said[ROWS][2];

PERSEID_STEP {
  if (perseid_input_count() < 1) return NO_INPUT;
  int64_t size = perseid_input_size(0);
  if (done == 0) {
    if (width_asked() != FEATURES) {
      perseid_say("tiny-tree: write the row width, 8, as the argument");
      return BAD_WIDTH;
    }
    if (size % (int64_t)sizeof rows[0] != 0) {
      perseid_say("tiny-tree: the input's size must be a multiple of 32 bytes: rows of 8 float32");
      return BROKEN_ROW;
    }
  }
  int32_t got = perseid_input_read(0, done * (int64_t)sizeof rows[0], rows, (int32_t)sizeof rows);
  int32_t count = got / (int32_t)sizeof rows[0];
  if (count == 0) return PERSEID_DONE;
  for (int32_t i = 0; i < count; i++) {
    double bad = 1 / (1 + power_of_e(-(double)judge(rows[i])));
    said[i][0] = (float)(1 - bad);
    said[i][1] = (float)bad;
  }
  perseid_output_write(0, said, count * (int32_t)sizeof said[0]);
  done += count;
  perseid_progress((int32_t)(1000 * done * (int64_t)sizeof rows[0] / size));
  return PERSEID_MORE;
}
