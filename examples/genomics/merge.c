/* merge.c: merges sorted alignments into one sorted whole; lines of equal position keep the order of the inputs.
 * args: empty or "header". inputs: SAM lines without a header, as align and merge write them; with "header", input 0 is the
 * genome (FASTA) and a SAM header is written first. output 0: SAM lines.
 */
#include "genomics.h"

#define MAX_INPUTS 256
#define LINES_PER_STEP 256
#define UNMAPPED INT32_MAX
#define NO_LINE (-1)

typedef struct {
  const char *line;
  int32_t length;
  int32_t position; /* 1-based, UNMAPPED, or NO_LINE at the end of the input */
} Head;

static Reader readers[MAX_INPUTS];
static Head heads[MAX_INPUTS];
static int32_t inputs;
static int32_t first_input; /* 1 when input 0 is the genome */
static int32_t opened;      /* inputs whose first line was read */
static Writer writer;
static enum { STARTING, LOADING, OPENING, MERGING } phase;

/* Moves an input to its next line. PERSEID_MORE or an exit code. */
static int32_t advance(int32_t i) {
  Head *head = &heads[i];
  int32_t before = head->position;
  head->length = next_line(&readers[i], &head->line);
  if (head->length == LINE_END) {
    head->position = NO_LINE;
    return PERSEID_MORE;
  }
  if (head->length == LINE_TOO_LONG) return fail(OVER_LIMIT, "a line of the alignments is longer than 4096 bytes");
  Fields fields = {head->line, head->line + head->length};
  const char *skipped;
  for (int32_t f = 0; f < 3; f++) next_field(&fields, &skipped); /* name, flags, genome */
  int32_t position = next_number(&fields);
  if (position < 0) return fail(BAD_INPUT, "a line of the alignments has no position in its fourth column");
  head->position = position == 0 ? UNMAPPED : position;
  if (head->position < before) return fail(BAD_INPUT, "the alignments of an input are not sorted by position");
  return PERSEID_MORE;
}

static void put_header(void) {
  put_text(&writer, "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:");
  put_text(&writer, genome_name);
  put_text(&writer, "\tLN:");
  put_number(&writer, (uint64_t)genome_length);
  put_text(&writer, "\n@PG\tID:perseid-genomics\tPN:perseid-genomics\tVN:1\n");
}

static int32_t start(void) {
  char args[8];
  int32_t size = perseid_args_size();
  if (size == 6 && perseid_args_read(args, 0, 6) == 6 && memcmp(args, "header", 6) == 0) {
    first_input = 1;
  } else if (size != 0) {
    return fail(BAD_ARGUMENTS, "args must be empty or \"header\"");
  }
  inputs = perseid_input_count();
  if (inputs > MAX_INPUTS) return fail(OVER_LIMIT, "more than 256 inputs: merge in more levels");
  opened = first_input;
  phase = first_input ? LOADING : OPENING;
  return PERSEID_MORE;
}

static int32_t merge_lines(void) {
  for (int32_t n = 0; n < LINES_PER_STEP; n++) {
    int32_t least = -1;
    for (int32_t i = first_input; i < inputs; i++) {
      if (heads[i].position != NO_LINE && (least < 0 || heads[i].position < heads[least].position)) least = i;
    }
    if (least < 0) {
      writer_flush(&writer);
      return PERSEID_DONE;
    }
    put(&writer, heads[least].line, heads[least].length);
    put_char(&writer, '\n');
    int32_t wrong = advance(least);
    if (wrong) return wrong;
  }
  return PERSEID_MORE;
}

PERSEID_STEP {
  switch (phase) {
    case STARTING:
      return start();
    case LOADING: {
      int32_t loaded = load_genome(0);
      if (loaded != PERSEID_DONE) return loaded;
      put_header();
      phase = OPENING;
      return PERSEID_MORE;
    }
    case OPENING:
      if (opened == inputs) {
        phase = MERGING;
        return PERSEID_MORE;
      }
      readers[opened].input = opened;
      return advance(opened++);
    case MERGING:
      return merge_lines();
  }
  __builtin_unreachable();
}
