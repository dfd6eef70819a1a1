/* split.c: checks a FASTQ file and cuts it into chunks of whole reads, in order and of equal size (within one read).
 * args: the number of chunks. input 0: FASTQ, four lines a read. output c: the reads of chunk c.
 */
#include "genomics.h"

#define MAX_CHUNKS 100000

static enum { CHECKING, COPYING } phase;
static int32_t chunks;
static int64_t offset;
static int64_t reads; /* all of them, once checked */
static char slice[SLICE_BYTES];

/* Where the walk over the file is; both phases walk it from the start. */
static int32_t line;     /* 0 name, 1 bases, 2 plus, 3 qualities */
static int32_t column;   /* of the next byte in its line */
static int32_t bases;    /* in the bases line of this read */
static int64_t read;     /* index of the read being walked */

static int32_t chunk;
static int64_t next_chunk_read; /* first read that belongs to a later chunk */

/* Looks at one byte; 0 when it is well-formed, else an exit code. */
static int32_t check_byte(char c) {
  if (c != '\n') {
    if (line == 0 && column == 0 && c != '@') return fail(BAD_INPUT, "a read does not start with '@': this is not FASTQ with four lines a read");
    if (line == 0 && column > 4 * MAX_READ_NAME) return fail(OVER_LIMIT, "the name line of a read is longer than 800 bytes");
    if (line == 1 && !is_sequence_letter(c)) return fail(BAD_INPUT, "a read has a byte that is not a base letter");
    if (line == 1 && column == MAX_READ) return fail(OVER_LIMIT, "a read is longer than 512 bases");
    if (line == 2 && column == 0 && c != '+') return fail(BAD_INPUT, "the third line of a read does not start with '+'");
    if (line == 2 && column > 4 * MAX_READ_NAME) return fail(OVER_LIMIT, "the third line of a read is longer than 800 bytes");
    if (line == 3 && (c < '!' || c > '~')) return fail(BAD_INPUT, "a quality is not a visible ASCII character");
    if (line == 3 && column == bases) return fail(BAD_INPUT, "a read has more qualities than bases");
    column++;
    return 0;
  }
  if (column == 0) return fail(BAD_INPUT, "a line of the reads is empty");
  if (line == 1) bases = column;
  if (line == 3 && column != bases) return fail(BAD_INPUT, "a read has fewer qualities than bases");
  if (line == 3) read++;
  line = (line + 1) % 4;
  column = 0;
  return 0;
}

static int32_t check_slice(void) {
  int32_t n = perseid_input_read(0, offset, slice, SLICE_BYTES);
  for (int32_t i = 0; i < n; i++) {
    int32_t wrong = check_byte(slice[i]);
    if (wrong) return wrong;
  }
  offset += n;
  if (n > 0) return PERSEID_MORE;
  if (column > 0) { /* the last line lacks its newline */
    int32_t wrong = check_byte('\n');
    if (wrong) return wrong;
  }
  if (line != 0) return fail(BAD_INPUT, "the last read is not complete");
  reads = read;
  read = 0;
  offset = 0;
  phase = COPYING;
  next_chunk_read = reads / chunks;
  return PERSEID_MORE;
}

static int32_t copy_slice(void) {
  int32_t n = perseid_input_read(0, offset, slice, SLICE_BYTES);
  int32_t from = 0;
  for (int32_t i = 0; i < n; i++) {
    if (column == 0 && line == 0 && read >= next_chunk_read) {
      if (i > from) perseid_output_write(chunk, slice + from, i - from);
      from = i;
      do {
        chunk++;
        next_chunk_read = reads * (chunk + 1) / chunks;
      } while (read >= next_chunk_read);
    }
    column++;
    if (slice[i] == '\n') {
      column = 0;
      line = (line + 1) % 4;
      if (line == 0) read++;
    }
  }
  if (n > from) perseid_output_write(chunk, slice + from, n - from);
  offset += n;
  if (n > 0) {
    perseid_progress((int32_t)(offset * 1000 / perseid_input_size(0)));
    return PERSEID_MORE;
  }
  if (column > 0) perseid_output_write(chunk, "\n", 1);
  return PERSEID_DONE;
}

PERSEID_STEP {
  if (chunks == 0) {
    int32_t wanted = number_argument();
    if (wanted < 1 || wanted > MAX_CHUNKS) return fail(BAD_ARGUMENTS, "args must be the number of chunks, 1 to 100000");
    if (perseid_input_size(0) < 0) return fail(BAD_INPUT, "input 0, the reads, is missing");
    chunks = wanted;
  }
  return phase == CHECKING ? check_slice() : copy_slice();
}
