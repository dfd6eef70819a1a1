/* genomics.h: what the tasks of the genomics example share: limits, ways to fail, reading lines, writing text, FASTA.
 * All state is static, so that a host may pause a task between two steps. The algorithm is described in README.md.
 */
#ifndef GENOMICS_H
#define GENOMICS_H

#include "perseid.h"

/* Limits. A genome, a read or a table beyond them is refused with a message; nothing is cut off in silence. */
#define MAX_GENOME 262144   /* bases of the reference */
#define MAX_GENOME_NAME 100 /* bytes */
#define MAX_READ 512        /* bases of one read */
#define MAX_READ_NAME 200   /* bytes, up to the first blank */
#define MAX_LINE 4096       /* bytes of one line of any file but FASTA */
#define MAX_INDEL 32        /* longest insertion or deletion that is counted */
#define SLICE_BYTES 65536   /* how much of a file one step reads */

/* Exit codes beyond PERSEID_MORE and PERSEID_DONE. */
#define BAD_ARGUMENTS 2
#define BAD_INPUT 3
#define OVER_LIMIT 4

#define NO_BASE 4 /* a letter other than A, C, G and T */
static const char BASE_LETTERS[5] = {'A', 'C', 'G', 'T', 'N'};

static inline uint8_t base_code(char letter) {
  switch (letter) {
    case 'A': case 'a': return 0;
    case 'C': case 'c': return 1;
    case 'G': case 'g': return 2;
    case 'T': case 't': return 3;
    default: return NO_BASE;
  }
}

static inline int is_sequence_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.'; }

/* ---- Failing: says why, then ends the task with an exit code: `return fail(BAD_INPUT, "...")`. ---- */

static int32_t fail(int32_t code, const char *why) {
  perseid_say(why);
  return code;
}

/* ---- Writing: text is gathered and handed to one output in large pieces. ---- */

#define WRITER_BYTES 32768
typedef struct {
  int32_t output;
  int32_t used;
  char text[WRITER_BYTES];
} Writer;

static inline void writer_flush(Writer *w) {
  if (w->used > 0) perseid_output_write(w->output, w->text, w->used);
  w->used = 0;
}

/* Writes `len` bytes, at most WRITER_BYTES. */
static inline void put(Writer *w, const char *text, int32_t len) {
  if (w->used + len > WRITER_BYTES) writer_flush(w);
  memcpy(w->text + w->used, text, (size_t)len);
  w->used += len;
}

static inline void put_char(Writer *w, char c) { put(w, &c, 1); }
static inline void put_text(Writer *w, const char *text) { put(w, text, perseid_strlen(text)); }

static inline void put_number(Writer *w, uint64_t value) {
  char digits[20];
  put(w, digits, perseid_decimal(digits, value));
}

/* Writes thousandths or hundredths as a decimal: put_fixed(w, 954, 3) writes 0.954. */
static inline void put_fixed(Writer *w, uint64_t value, int32_t decimals) {
  uint64_t one = 1;
  for (int32_t i = 0; i < decimals; i++) one *= 10;
  put_number(w, value / one);
  put_char(w, '.');
  uint64_t rest = value % one;
  for (uint64_t d = one / 10; d > 0; d /= 10) put_char(w, (char)('0' + rest / d % 10));
}

/* ---- Reading lines: a reader's buffer holds a part of its input; a line is valid until the next call. ---- */

#define LINE_END (-1)      /* the input has no more lines */
#define LINE_TOO_LONG (-2) /* a line is longer than the reader's buffer allows */

#define READER_BYTES (2 * MAX_LINE)
typedef struct {
  int32_t input;
  int64_t offset; /* of the first byte of the input that was not read yet */
  int32_t begin;  /* of the unread part of the buffer */
  int32_t end;
  char buffer[READER_BYTES];
} Reader;

/* Points `line` at the next line without its newline and returns its length, or LINE_END or LINE_TOO_LONG. */
static inline int32_t next_line(Reader *r, const char **line) {
  int32_t seen = 0;
  for (;;) {
    for (; r->begin + seen < r->end; seen++) {
      if (r->buffer[r->begin + seen] == '\n') {
        *line = r->buffer + r->begin;
        r->begin += seen + 1;
        return seen;
      }
    }
    if (seen > MAX_LINE) return LINE_TOO_LONG;
    memmove(r->buffer, r->buffer + r->begin, (size_t)seen);
    r->begin = 0;
    r->end = seen;
    int32_t more = perseid_input_read(r->input, r->offset, r->buffer + seen, READER_BYTES - seen);
    if (more <= 0) { /* the last line may lack its newline */
      *line = r->buffer;
      r->begin = r->end;
      return seen > 0 ? seen : LINE_END;
    }
    r->offset += more;
    r->end += more;
  }
}

/* ---- Fields: a cursor over one line. ---- */

typedef struct {
  const char *at;
  const char *end;
} Fields;

/* Points `field` at the text up to the next tab and returns its length; -1 when there is no field left. */
static inline int32_t next_field(Fields *f, const char **field) {
  if (f->at > f->end) return -1;
  *field = f->at;
  const char *p = f->at;
  while (p < f->end && *p != '\t') p++;
  int32_t len = (int32_t)(p - f->at);
  f->at = p + 1;
  return len;
}

/* The value of a decimal text below 2^31; -1 when it is not one. */
static inline int32_t number_of(const char *text, int32_t len) {
  if (len < 1 || len > 10) return -1;
  int64_t value = 0;
  for (int32_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value <= INT32_MAX ? (int32_t)value : -1;
}

static inline int32_t next_number(Fields *f) {
  const char *field;
  int32_t len = next_field(f, &field);
  return len < 0 ? -1 : number_of(field, len);
}

/* The task's arguments as one number; -1 when they are not one. */
static inline int32_t number_argument(void) {
  char text[16];
  int32_t len = perseid_args_size();
  if (len > (int32_t)sizeof text) return -1;
  return number_of(text, perseid_args_read(text, 0, len));
}

/* ---- The reference genome: one sequence in FASTA, loaded a slice at a time. ---- */

static uint8_t genome[MAX_GENOME]; /* base codes 0 to 4 */
static int32_t genome_length;
static char genome_name[MAX_GENOME_NAME + 1]; /* zero-terminated */

/* Reads the next slice of input `input`. PERSEID_MORE, PERSEID_DONE when the genome is loaded, or an exit code. */
static inline int32_t load_genome(int32_t input) {
  static int64_t offset;
  static int32_t name_length;
  static enum { AT_START, IN_NAME, IN_COMMENT, IN_SEQUENCE } place;
  static char slice[SLICE_BYTES];
  int32_t n = perseid_input_read(input, offset, slice, SLICE_BYTES);
  offset += n;
  for (int32_t i = 0; i < n; i++) {
    char c = slice[i];
    switch (place) {
      case AT_START:
        if (c != '>') return fail(BAD_INPUT, "the reference is not FASTA: it must start with '>'");
        place = IN_NAME;
        break;
      case IN_NAME:
        if (c == '\n') {
          place = IN_SEQUENCE;
        } else if (c == ' ' || c == '\t' || c == '\r') {
          place = IN_COMMENT;
        } else if (name_length == MAX_GENOME_NAME) {
          return fail(OVER_LIMIT, "the name of the reference is longer than 100 bytes");
        } else {
          genome_name[name_length++] = c;
        }
        break;
      case IN_COMMENT:
        if (c == '\n') place = IN_SEQUENCE;
        break;
      case IN_SEQUENCE:
        if (c == '\n' || c == '\r') break;
        if (c == '>') return fail(BAD_INPUT, "the reference has more than one sequence; give a file with one");
        if (!is_sequence_letter(c)) return fail(BAD_INPUT, "the reference has a byte that is not a base letter");
        if (genome_length == MAX_GENOME) return fail(OVER_LIMIT, "the reference is longer than 262144 bases");
        genome[genome_length++] = base_code(c);
        break;
    }
  }
  if (n > 0) return PERSEID_MORE;
  if (name_length == 0 || genome_length == 0) return fail(BAD_INPUT, "the reference has no name or no bases");
  return PERSEID_DONE;
}

#endif
