// Counts the words (runs of ASCII letters, case folded) of all inputs; output 0 gets one line "word count" for each word
// in byte order.
#include "perseid.h"

enum { BLOCK = 65536, MAX_WORD = 64, SLOTS = 1 << 16 };
enum { EXIT_TOO_MANY_WORDS = 2, EXIT_NO_MEMORY = 3 };

struct word {
  uint64_t count;
  uint32_t length;
  char text[MAX_WORD];
};

static struct word *table[SLOTS]; // open addressing
static struct word *order[SLOTS];
static uint32_t words;
static int32_t input;
static int64_t offset;
static char current[MAX_WORD];
static uint32_t length;

// Counts the word gathered so far; 0, or an exit code.
static int32_t flush(void) {
  if (length == 0) return 0;
  uint32_t hash = 2166136261u;
  for (uint32_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)current[i]) * 16777619u;
  uint32_t slot = hash % SLOTS;
  while (table[slot] && (table[slot]->length != length || memcmp(table[slot]->text, current, length) != 0)) slot = (slot + 1) % SLOTS;
  if (!table[slot]) {
    if (words == SLOTS / 2) return EXIT_TOO_MANY_WORDS;
    struct word *fresh = perseid_alloc(sizeof(struct word));
    if (!fresh) return EXIT_NO_MEMORY;
    fresh->length = length;
    memcpy(fresh->text, current, length);
    table[slot] = fresh;
    order[words++] = fresh;
  }
  table[slot]->count++;
  length = 0;
  return 0;
}

static int before(const struct word *a, const struct word *b) {
  int c = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
  return c != 0 ? c < 0 : a->length < b->length;
}

static void sift(uint32_t root, uint32_t end) {
  for (uint32_t child; (child = 2 * root + 1) < end; root = child) {
    if (child + 1 < end && before(order[child], order[child + 1])) child++;
    if (!before(order[root], order[child])) return;
    struct word *w = order[root];
    order[root] = order[child];
    order[child] = w;
  }
}

static void report(void) {
  for (uint32_t i = words / 2; i-- > 0;) sift(i, words);
  for (uint32_t end = words; end > 1;) {
    struct word *w = order[0];
    order[0] = order[--end];
    order[end] = w;
    sift(0, end);
  }
  for (uint32_t i = 0; i < words; i++) {
    char line[MAX_WORD + 24];
    memcpy(line, order[i]->text, order[i]->length);
    int32_t n = (int32_t)order[i]->length;
    line[n++] = ' ';
    n += perseid_decimal(line + n, order[i]->count);
    line[n++] = '\n';
    perseid_output_write(0, line, n);
  }
}

PERSEID_STEP {
  static char block[BLOCK];
  if (input == perseid_input_count()) {
    report();
    return PERSEID_DONE;
  }
  int32_t n = perseid_input_read(input, offset, block, BLOCK);
  if (n == 0) {
    input++;
    offset = 0;
    return flush();
  }
  for (int32_t i = 0; i < n; i++) {
    char c = block[i] >= 'A' && block[i] <= 'Z' ? (char)(block[i] + 32) : block[i];
    if (c >= 'a' && c <= 'z') {
      if (length < MAX_WORD) current[length++] = c; // longer words are cut
    } else {
      int32_t exit = flush();
      if (exit != 0) return exit;
    }
  }
  offset += n;
  return PERSEID_MORE;
}
